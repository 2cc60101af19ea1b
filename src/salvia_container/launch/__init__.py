"""How a run comes to life: a template process forks it into namespaces of its own, under a supervisor that outlives the server."""

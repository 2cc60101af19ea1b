"""SSH between the instances of one training job, for AWS's launchers of MPI: they start `/usr/sbin/sshd`, ask with paramiko whether port 22 of the
others answers, and have mpirun start its daemons through `ssh`.

Sandboxes share the machine's network and have no privileges, so nothing can listen on port 22, and whoever is on the machine can connect: the server
listens on ports that the job's secret chooses, on the instance's own address, and both sides know each other by a key made of that secret.
"""

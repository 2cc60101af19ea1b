"""What IAM must allow before an operation runs: a file for each service whose rules are its own."""

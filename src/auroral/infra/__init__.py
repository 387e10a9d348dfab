"""Run Terraform for the deployment, and judge its plans and states by correctness properties."""

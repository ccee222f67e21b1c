"""EKS: the one cluster, and managed node groups that EKS updates by itself.

The parts: `cluster` how the cluster is described, `model` what a node group and an update are, `types` which image a
release means, `errors` EKS's own words of refusal, `hands` what EKS does to launch template and Auto Scaling group,
`nodes` what it does to Nodes and pods, `asked` what a node group is to run, `rolling` an update from step to step,
`making` how one comes and goes, and `api` the operations.
"""

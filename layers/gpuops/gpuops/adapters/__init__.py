"""The only importers of boto3 and kubernetes: one module per outside world, so that rights can be read off it."""

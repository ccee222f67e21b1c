"""How long the executions' histories are: Step Functions ends an execution whose history has 25,000 events."""

from moto.stepfunctions.parser.models import stepfunctions_parser_backends


def history_sizes() -> dict[str, int]:
    """Return the number of events of each execution that there was, by its ARN."""
    regions = (region for account in stepfunctions_parser_backends.values() for region in account.values())
    machines = (machine for region in regions for machine in region.state_machines)
    executions = (execution for machine in machines for execution in getattr(machine, "executions", ()))
    return {e.execution_arn: len(e.exec_worker.env.event_manager.get_event_history()) for e in executions}

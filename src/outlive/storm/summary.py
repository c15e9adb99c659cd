"""What a demo showed, in sentences that its figures make."""

from outlive.storm.record import Record


def sentences(direct: Record, through: Record) -> list[str]:
    """One for each run."""
    return [_direct(direct), _through(through)]


def _direct(record: Record) -> str:
    figures = record.figures
    return (
        f"Direct, {figures.refused} of {figures.requests} requests were refused{_failed(record)}: of at most "
        f"{record.limit} connections {figures.dangling} belonged to dead functions at the end, "
        f"{figures.open_transactions} of them inside a transaction that nobody will ever finish."
    )


def _through(record: Record) -> str:
    figures = record.figures
    refused, were = ("none", "was") if figures.refused == 0 else (str(figures.refused), "were")
    left = "nothing" if figures.dangling == 0 else f"{figures.dangling}"
    within = "" if record.budget is None else f" (its budget: {record.budget})"
    return (
        f"Through Outlive, {refused} of {figures.requests} requests {were} refused{_failed(record)}: the database "
        f"never counted more than {figures.server_connections_peak} connections{within}, and {left} was left of them "
        "when Outlive had ended."
    )


def _failed(record: Record) -> str:
    failed = record.figures.failed
    return f" and {failed} failed otherwise" if failed else ""

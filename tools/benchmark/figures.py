"""What becomes of the figures: the median of the rounds, and a table in Markdown."""

import statistics


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def print_table(head: str, rows: list[list[str]]) -> None:
    columns = head.split("|")
    for cells in [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]:
        print(f"| {' | '.join(cells)} |")

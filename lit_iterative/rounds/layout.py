"""The layout of the round store: every round is a folder of Parquet shards, whole once its manifest is there.

Below the store's folder::

    initial.pt                       weights before training, where a policy or an op asks for them
    round-00000/manifest.json        written last: with it the round is committed
    round-00000/data/00000.parquet   the rows
    round-00000/boundary.ckpt        the trainer, at the boundary at which the round was made
    round-00000/work                 unfinished: shards of every stage, gone after the commit
    last.json, last.ckpt             the trainer at the end of fit
    superseded/…                     rounds of a branch that was left, kept for the record
"""

SCHEMA = "data/schema.parquet"
LEDGER = "data/ledger.parquet"
BOUNDARY = "boundary.ckpt"
BEGUN = "boundary.json"
LAST = "last.ckpt"
MANIFEST = "manifest.json"
#: What a round holds beside its rows.
BESIDE = (BEGUN, BOUNDARY, SCHEMA, LEDGER)
FIRST = ("../initial.pt",)  # beside the first round


def folder(round: int) -> str:
    """Return the folder name of a round.

    Example:
        >>> folder(3)
        'round-00003'
    """
    return f"round-{round:05d}"

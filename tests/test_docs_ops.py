from docs.make_ops import PAGE, page
from lit_iterative import ops
from lit_iterative.ops import language


def test_the_page_of_ops_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python docs/make_ops.py"


def test_the_page_names_every_public_part():
    text = page()
    others = {"Op", "Merge", "Schedule", "Actor", "Context", "OneRank", "check"}
    others |= {"LocalJudge", "PolicyJudge"}  # whom an op asks
    names = [*ops.__all__, *language.__all__]
    assert [name for name in names if name not in others and f"`{name}`" not in text] == []

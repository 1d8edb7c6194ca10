import pytest

from lit_iterative.answers.working import check_working


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("3+4=7+3=10", 1.0),
        ("4+3=7+3=10", 1.0),
        ("3+4=8+3=11", (1 + 0.5 + 1) / 3),
        ("3+4=8+3=12", (1 + 0 + 1) / 3),
        ("3+4=7", (1 + 1 + 0) / 3),
        ("3+4=7+3=10+0=10", (1 + 1 + 0) / 3),
        ("3+5=7", (1 + 0 + 0) / 3),
        ("3", 0.0),
        ("", 0.0),
        ("3+4=7+3=", 0.0),
        (" 3+4=7+3=10", 0.0),
        ("3+4=7\n", 0.0),
        ("٣+4=7", 0.0),
        ("1" * 5000 + "+1=1", 0.0),
    ],
)
def test_score(text, score):
    assert check_working(text, {"prompt": "3+4+3="}) == pytest.approx(score)

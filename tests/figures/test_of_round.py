"""The figures carry the numbers that they were given, and say what they show."""

import io

import numpy as np
import pytest
from PIL import Image

from lit_iterative.rounds.diagnostics import reliability

matplotlib = pytest.importorskip("matplotlib")
figures = pytest.importorskip("lit_iterative.figures.of_round")
style = pytest.importorskip("lit_iterative.figures.style")

ROWS = np.array([5, 0, 12])


def render(figure):
    """Return a figure as pixels."""
    return np.asarray(Image.open(io.BytesIO(style.png(figure))))[..., :3]


def bars(axes, label=None):
    """Return the heights of the bars of a series."""
    series = [c for c in axes.containers if label is None or c.get_label() == label]
    return [bar.get_height() for bar in series[0]]


def written(axes):
    """Return the texts in the cells of a matrix, by (row, column)."""
    return {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}


def ticks(axis):
    return dict(zip(axis.get_ticklocs().tolist(), [label.get_text() for label in axis.get_ticklabels()], strict=True))


def test_class_distribution_shows_both_rounds_and_the_pool_in_this_rounds_rows():
    axes = figures.class_distribution(3, ROWS, np.array([1, 2, 3]), np.array([10, 10, 14])).axes[0]
    assert bars(axes, "this round") == [5, 0, 12]
    assert bars(axes, "round before") == [1, 2, 3]
    shares = [segment[0, 1] for segment in axes.collections[0].get_segments()]
    assert shares == pytest.approx([5, 5, 7])  # 17 rows, in proportions of 10 : 10 : 14
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("pseudo-label", "rows")


def test_class_distribution_puts_the_bars_of_a_class_beside_its_tick():
    axes = figures.class_distribution(3, ROWS, ROWS).axes[0]
    now, before = axes.containers
    for place, (right, left) in enumerate(zip(now, before, strict=True)):
        assert left.get_x() + left.get_width() == pytest.approx(right.get_x()) == pytest.approx(place)


def test_class_distribution_alone_has_no_legend():
    figure = figures.class_distribution(0, ROWS)
    assert bars(figure.axes[0]) == [5, 0, 12]
    assert not figure.legends


def test_many_classes_show_this_round_alone_and_few_ticks():
    axes = figures.class_distribution(1, np.arange(60), np.arange(60)).axes[0]
    assert len(axes.containers) == 1
    assert bars(axes) == list(range(60))
    assert len(axes.get_xticks()) <= 10
    assert all(label == str(int(place)) for place, label in ticks(axes.xaxis).items())


def test_reliability_diagram_shows_accuracy_and_rows_of_filled_bins():
    bins = reliability(np.array([0.55, 0.95, 0.96, 1.0]), np.array([False, True, False, True]), bins=5, low=0.5)
    top, bottom = figures.reliability_diagram(2, bins).axes
    assert bars(top) == pytest.approx([0.0, 2 / 3])
    assert bars(bottom) == [1, 3]
    assert [bar.get_x() for bar in bottom.containers[0]] == pytest.approx([0.5, 0.9])
    diagonal, means = top.lines
    assert diagonal.get_xdata() == pytest.approx([0.5, 1.0])
    assert diagonal.get_ydata() == pytest.approx([0.5, 1.0])
    assert means.get_xdata() == pytest.approx([0.55, 0.97])
    assert "accuracy 50.0%, mean confidence 86.5%" in top.get_title("left")
    assert bottom.get_xlabel() == "confidence"
    assert top.get_ylim()[0] <= 0.0  # nothing is cut off


def test_confusion_matrix_writes_counts_and_colours_shares_of_the_true_class():
    counts = np.array([[3, 1, 0], [0, 0, 0], [10_500, 0, 0]])
    axes = figures.confusion_matrix(1, counts).axes[0]
    assert written(axes) == {(0, 0): "3", (0, 1): "1", (2, 0): "10k"}
    assert axes.images[0].get_array().tolist() == [[0.75, 0.25, 0], [0, 0, 0], [1, 0, 0]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("pseudo-label", "true class")
    assert axes.get_title("left") == "0.0% of 10504 right"


def test_class_flow_colours_only_changes_of_class():
    counts = np.array([[7, 2, 1], [0, 5, 0], [4, 3, 0]])
    axes = figures.class_flow(4, counts).axes[0]
    assert axes.images[0].get_array().tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert written(axes) == {(0, 0): "7", (0, 1): "2", (0, 2): "1", (1, 1): "5", (2, 0): "4", (2, 1): "3"}
    assert ticks(axes.xaxis) == {0: "0", 1: "1", 2: "left"}
    assert ticks(axes.yaxis) == {0: "0", 1: "1", 2: "new"}
    assert axes.get_title("left") == "2 of 14 (14.3%) changed, 7 new, 1 left"


def test_class_flow_without_common_inputs_is_drawn():
    figure = figures.class_flow(1, np.array([[0, 0], [3, 0]]))
    assert figure.axes[0].get_title("left") == "0 of 0 (0) changed, 3 new, 0 left"
    assert render(figure).ndim == 3


def test_large_matrices_have_no_numbers_and_a_margin_that_is_named():
    axes = figures.class_flow(1, np.ones((101, 101), dtype=int)).axes[0]
    assert not axes.texts
    assert ticks(axes.xaxis)[100] == "left"
    assert len(axes.get_xticks()) <= 10


def test_funnel_shows_rows_from_the_pool_down():
    axes = figures.funnel(2, ["pool", "Threshold"], [1200, 80]).axes[0]
    assert [bar.get_width() for bar in axes.containers[0]] == [1200, 80]
    assert ticks(axes.yaxis) == {0: "pool", 1: "Threshold"}
    assert axes.yaxis.get_inverted()


@pytest.mark.parametrize("count", [0, 9_999, 10_000, 1_230_000])
def test_counts_are_short(count):
    assert style.compact(count) == {0: "0", 9_999: "9999", 10_000: "10k", 1_230_000: "1.23M"}[count]
    assert len(style.compact(count)) <= 5


def every_figure(round):
    flow = np.arange(16).reshape(4, 4)
    return [
        figures.class_distribution(round, ROWS, ROWS, ROWS),
        figures.reliability_diagram(round, reliability(np.array([0.7]), np.array([True]))),
        figures.confusion_matrix(round, flow),
        figures.class_flow(round, flow),
        figures.funnel(round, ["pool"], [0]),
    ]


def test_every_title_names_the_round():
    assert all(figure.get_suptitle().startswith("Round 17: ") for figure in every_figure(17))


def test_pixels_of_every_figure_are_a_picture_with_nothing_cut_off():
    for figure in every_figure(1):
        pixels = render(figure)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (576, 702, 3)
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (border == 255).all(), figure.get_suptitle()
        assert pixels.min() < 100


def test_settings_of_the_user_stay_and_do_not_matter():
    plain = render(figures.class_distribution(0, ROWS))
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30}):
        before = dict(matplotlib.rcParams)
        assert (render(figures.class_distribution(0, ROWS)) == plain).all()
        assert dict(matplotlib.rcParams) == before


def test_figures_are_not_kept_by_pyplot():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    every_figure(0)
    assert pyplot.get_fignums() == before

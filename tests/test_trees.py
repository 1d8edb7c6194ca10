"""How prompts and completions are laid out as a stream of trees."""

import pytest
import torch

from lit_iterative.sequences import pad
from lit_iterative.trees import Places, planted

PROMPTS = [[1, 5, 6], [1, 7], [1, 5, 6], [1, 5, 6], [1]]
COMPLETIONS = [[8, 2], [9, 10, 2], [11], [8, 2], [12, 13]]


def test_every_prompt_and_every_completion_stands_there_once():
    trees = planted(PROMPTS, COMPLETIONS)
    # trunks: [1, 5], [1], []; branches: [6, 8], [6] of the first, [7, 9, 10] of the second, [1, 12] of the third
    assert trees.input_ids.tolist() == [[1, 5, 1, 6, 8, 6, 7, 9, 10, 1, 12]]
    assert trees.position_ids.tolist() == [[0, 1, 0, 2, 3, 2, 1, 2, 3, 0, 1]]
    assert trees.targets.tolist() == [8, 2, 11, 9, 10, 2, 12, 13]
    assert trees.trunks.lengths.tolist() == [2, 1, 0]
    assert trees.branches.lengths.tolist() == [2, 1, 3, 2]
    assert trees.crowns.lengths.tolist() == [3, 3, 2]
    assert trees.crowns.index.tolist() == [[3, 4, 5], [6, 7, 8], [9, 10, 0]]


def test_the_targets_of_every_row_are_its_completion():
    batch = pad(PROMPTS, COMPLETIONS, 0)
    rows, places = batch.completion_mask[:, 1:].nonzero(as_tuple=True)
    found = batch.trees.targets[batch.trees.sources[rows, places]]
    assert found.tolist() == [token for completion in COMPLETIONS for token in completion]
    assert torch.equal(found, batch.input_ids[rows, places + 1])


def test_rows_without_a_completion_are_in_no_tree():
    assert planted([[1, 2], [3]], [[], []]) is None
    trees = planted([[1, 2], [3]], [[], [4, 5]])
    assert trees.input_ids.tolist() == [[3, 4]]
    assert trees.sources.tolist() == [[0, 0], [0, 1]]


def test_the_trees_of_a_batch_follow_it_to_a_device():
    trees = pad(PROMPTS, COMPLETIONS, 0).to("meta").trees
    assert trees.input_ids.is_meta
    assert trees.trunks.index.is_meta
    assert trees.sources.is_meta
    assert trees.branches.whole is False


@pytest.mark.parametrize("whole", [True, False])
def test_rows_go_back_to_where_they_were_gathered(whole):
    index = torch.tensor([[4, 1], [2, 3 if whole else 0]])
    places = Places(index, torch.tensor([2, 2 if whole else 1]), whole)
    stream = torch.arange(10.0).view(5, 2)
    rows = places.gather(stream, behind=-1.0)
    assert rows[0].tolist() == [[8.0, 9.0], [2.0, 3.0]]
    assert rows[1].tolist() == [[4.0, 5.0], [6.0, 7.0] if whole else [-1.0, -1.0]]
    back = torch.zeros(5, 2)
    places.scatter(rows, back)
    expected = stream.clone()
    expected[[0] if whole else [0, 3]] = 0
    assert torch.equal(back, expected)

import pytest
import torch

from lit_iterative.errors import DataError, SetupError
from lit_iterative.modules import FrameNet, SpeechRecognizer

FRAMES = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
BATCH = [FRAMES, torch.tensor([6, 4]), torch.tensor([[1, 2, 1], [2, 0, 0]]), torch.tensor([3, 1])]


def make():
    torch.manual_seed(0)
    return SpeechRecognizer(FrameNet(features=3, tokens=3, channels=4, dropout=0.0), "ab")


def test_padding_changes_nothing():
    module = make().eval()
    longer = torch.cat([FRAMES, torch.full((2, 3, 3), 9.0)], dim=1)
    alone = module(FRAMES[1:, :4], torch.tensor([4]))
    torch.testing.assert_close(module(longer, BATCH[1])[1, :4], alone[0])


def test_the_loss_is_minus_the_log_probability_of_all_paths_per_character():
    module = make()
    logits = module(FRAMES, BATCH[1])[1, :4].double().log_softmax(dim=1)
    # "b" in four frames: b stands anywhere, and as long as it will
    spans = [(start, end) for start in range(4) for end in range(start, 4)]
    paths = [sum(logits[t, 2 if start <= t <= end else 0] for t in range(4)) for start, end in spans]
    second = -torch.logsumexp(torch.stack(paths), dim=0)
    single = [part[1:] for part in BATCH]
    single[0], single[2] = single[0][:, :4], single[2][:, :1]
    assert module.training_step(single, 0).item() == pytest.approx(second.item(), abs=1e-5)


def test_wrong_characters_are_counted():
    module = make()
    tokens = torch.tensor([[1, 0, 2, 0, 0, 0], [2, 2, 0, 2, 1, 1]])
    module.forward = lambda frames, lengths: torch.nn.functional.one_hot(tokens, 3).float()
    module._measure(BATCH, module.val_cer)  # "ab" for "aba" and "bb" for "b"
    assert module.val_cer.compute().item() == pytest.approx(2 / 4)


def test_labels_beyond_the_letters_are_refused():
    with pytest.raises(DataError, match="from 0 to 3"):
        make().on_before_batch_transfer([*BATCH[:2], torch.tensor([[1, 3], [2, 0]]), torch.tensor([2, 1])], 0)
    with pytest.raises(SetupError, match="'aa'"):
        SpeechRecognizer(FrameNet(), "aa")
    with pytest.raises(SetupError, match="tokens=1"):
        FrameNet(tokens=1)

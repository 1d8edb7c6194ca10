"""Losses by their papers' formulas, one row after another, with 160 digits and no care for overflow."""

from mpmath import exp, log, mpf

from tests.losses.oracle import Oracle, rowwise


def sigmoid(x):
    return 1 / (1 + exp(-x))


def softplus(x):
    return log(1 + exp(x))


def ratio_w(r):
    return r.chosen - r.reference_chosen


def ratio_l(r):
    return r.rejected - r.reference_rejected


def ratio(r):
    return r.completion - r.reference


def delta(r):
    return ratio_w(r) - ratio_l(r)


def mean(total, tokens):
    return total / tokens if tokens else total


def bradley_terry(x):
    return softplus(-x)


def ipo(r, beta, per_token):
    h = mean(ratio_w(r), r.chosen_tokens) - mean(ratio_l(r), r.rejected_tokens) if per_token else delta(r)
    return (h - 1 / (2 * mpf(beta))) ** 2


def dpop(r, beta, penalty):
    return bradley_terry(beta * (delta(r) - penalty * max(0, r.reference_chosen - r.chosen)))


def discopop(r, beta, temperature):
    x = beta * delta(r)
    modulation = sigmoid(x / temperature)
    return (1 - modulation) * softplus(-x) + modulation * exp(-x)


def smoothed(x, e):
    return (1 - e) * softplus(-x) + e * softplus(x)


def robust(r, beta, label_smoothing):
    x, e = beta * delta(r), mpf(label_smoothing)
    return ((1 - e) * softplus(-x) - e * softplus(x)) / (1 - 2 * e)


def exo(r, beta, label_smoothing):
    e = mpf(label_smoothing)
    policy = exp(beta * ratio_w(r)), exp(beta * ratio_l(r))
    total, label = 0, (1 - e, e)
    for p, target in zip(policy, label, strict=True):
        share = p / sum(policy)
        total += share * log(share / target)
    return total


def nca(r, beta):
    w, lo = beta * ratio_w(r), beta * ratio_l(r)
    return softplus(-w) + softplus(w) / 2 + softplus(lo) / 2


def apo_zero(r, beta):
    return 1 - sigmoid(beta * ratio_w(r)) + sigmoid(beta * ratio_l(r))


def apo_down(r, beta):
    return sigmoid(beta * ratio_w(r)) + 1 - sigmoid(beta * delta(r))


def dominance(larger, smaller, beta, label_smoothing):
    """Match the k-th of one list with the k-th of the other; equals in order of their rows."""
    order = sorted(range(len(larger)), key=lambda i: (larger[i], i))
    partners = sorted(smaller)
    values = [mpf(0)] * len(larger)
    for rank, row in enumerate(order):
        values[row] = smoothed(beta * (larger[row] - partners[rank]), label_smoothing)
    return values


def aot_paired(rows, beta, label_smoothing):
    margins = [r.chosen - r.rejected for r in rows]
    return dominance(margins, [r.reference_chosen - r.reference_rejected for r in rows], beta, label_smoothing)


def aot_unpaired(rows, beta, label_smoothing):
    return dominance([ratio_w(r) for r in rows], [ratio_l(r) for r in rows], beta, label_smoothing)


def exp_to(x, ceiling):
    return exp(x) if x <= ceiling else exp(mpf(ceiling)) * (1 + x - ceiling)


def f_alpha(r, beta, alpha):
    def slope(log_u):
        return (1 - exp_to(-alpha * log_u, 30)) / alpha

    return bradley_terry(beta * slope(ratio_w(r)) - beta * slope(ratio_l(r)))


def f_js(r, beta):
    def slope(log_u):
        u = exp(log_u)
        return log(2 * u / (1 + u))

    return bradley_terry(beta * slope(ratio_w(r)) - beta * slope(ratio_l(r)))


def r_dpo(r, beta, alpha):
    """Bradley-Terry of rewards ``beta log(pi / ref) + alpha |y|``, which maximise reward less ``alpha |y|``."""
    chosen = beta * ratio_w(r) + alpha * r.chosen_tokens
    return bradley_terry(chosen - (beta * ratio_l(r) + alpha * r.rejected_tokens))


def normalised(r, beta):
    return bradley_terry(
        beta * mean(ratio_w(r), r.chosen_tokens) - beta * mean(ratio_l(r), r.rejected_tokens),
    )


def simpo(r, beta, gamma):
    return bradley_terry(
        beta * mean(r.chosen, r.chosen_tokens) - beta * mean(r.rejected, r.rejected_tokens) - gamma,
    )


def cpo(r, beta, alpha):
    return bradley_terry(beta * (r.chosen - r.rejected)) - alpha * mean(r.chosen, r.chosen_tokens)


def slic(r, margin, alpha):
    return max(mpf(0), margin - r.chosen + r.rejected) - alpha * mean(r.chosen, r.chosen_tokens)


def orpo(r, beta):
    def odds(total, tokens):
        p = exp(min(mean(total, tokens), mpf(-1e-7)))
        return p / (1 - p)

    odds_ratio = odds(r.chosen, r.chosen_tokens) / odds(r.rejected, r.rejected_tokens)
    return -mean(r.chosen, r.chosen_tokens) + beta * softplus(-log(odds_ratio))


def squares(r, beta, win, lose):
    chosen = (ratio_w(r) - (win - mpf("0.5")) / beta) ** 2
    return (chosen + (ratio_l(r) - (lose - mpf("0.5")) / beta) ** 2) / 2


def rspo(r, beta, reverse, forward):
    total = squares(r, beta, r.chosen_win_rate, r.rejected_win_rate)
    for policy, anchor, reference in (
        (r.chosen, r.anchor_chosen, r.reference_chosen),
        (r.rejected, r.anchor_rejected, r.reference_rejected),
    ):
        away = policy - anchor
        total += mpf(reverse) * away**2 / 4
        total += mpf(forward) * min(mpf(1), exp(anchor - reference)) * (exp_to(away, 30) - 1 - away) / 2
    return total


def irepo(r, beta):
    odds = max(r.preference, mpf(1e-6)) / max(1 - r.preference, mpf(1e-6))
    return (beta * delta(r) - log(odds)) ** 2


def softmax_dpo(r, beta):
    scores = [exp(beta * (p - q)) for p, q in zip(r.completions, r.reference, strict=True)]
    return -log(scores[0] / sum(scores))


def plackett_luce(r, beta):
    scores = [exp(beta * (p - q)) for p, q in zip(r.completions, r.reference, strict=True)]
    likelihood = mpf(1)
    while scores:
        likelihood *= scores[0] / sum(scores)
        scores = scores[1:]
    return -log(likelihood)


def rrhf(r, margin, alpha):
    p = [mean(total, tokens) for total, tokens in zip(r.completions, r.tokens, strict=True)]
    above = sum(max(mpf(0), margin + p[j] - p[i]) for i in range(len(p)) for j in range(i + 1, len(p)))
    return above - alpha * p[0]


def kto(r, baseline, beta, desirable_weight, undesirable_weight):
    if r.desirable:
        return desirable_weight - desirable_weight * sigmoid(beta * (ratio(r) - baseline))
    return undesirable_weight - undesirable_weight * sigmoid(beta * (baseline - ratio(r)))


def bco(r, baseline, beta):
    reward, shift = beta * ratio(r), beta * baseline
    return -log(sigmoid(reward - shift)) if r.desirable else -log(sigmoid(-(reward - shift)))


def nft_likelihood(r):
    rate = min(max(r.pass_rate, mpf(0.02)), mpf(0.98))
    return rate, (1 - rate * exp_to(ratio(r), 10)) / (1 - rate)


def nft(r, epsilon):
    rate, likelihood = nft_likelihood(r)
    return -(1 - rate) * (ratio(r) if r.desirable else log(max(mpf(epsilon), likelihood)))


def nft_slope(r, epsilon):
    """The gradient passes through the bound as if it were not there."""
    rate, likelihood = nft_likelihood(r)
    negative = -rate / (1 - rate) * exp(min(ratio(r), mpf(10))) / max(mpf(epsilon), likelihood)
    return [-(1 - rate) * (1 if r.desirable else negative)]


def kl_sft(r, beta):
    return -r.completion + beta * ratio(r) ** 2 / 2


ORACLES: dict[str, Oracle] = {
    "dpo": Oracle(rowwise(lambda r, beta: bradley_terry(beta * delta(r))), {"beta": 0.1}, {"beta": 0.7}),
    "hinge": Oracle(rowwise(lambda r, beta: max(mpf(0), 1 - beta * delta(r))), {"beta": 0.1}, {"beta": 0.7}),
    "ipo": Oracle(rowwise(ipo), {"beta": 0.1, "per_token": True}, {"beta": 0.7, "per_token": False}),
    "dpop": Oracle(rowwise(dpop), {"beta": 0.1, "penalty": 50.0}, {"beta": 0.7, "penalty": 2.5}),
    "discopop": Oracle(rowwise(discopop), {"beta": 0.05, "temperature": 0.05}, {"beta": 0.7, "temperature": 0.6}),
    "soft_dpo": Oracle(
        rowwise(lambda r, beta: smoothed(beta * delta(r), 1 - r.preference)), {"beta": 0.1}, {"beta": 0.7}
    ),
    "cdpo": Oracle(
        rowwise(lambda r, beta, label_smoothing: smoothed(beta * delta(r), label_smoothing)),
        {"beta": 0.1, "label_smoothing": 0.1},
        {"beta": 0.7, "label_smoothing": 0.3},
    ),
    "robust_dpo": Oracle(rowwise(robust), {"beta": 0.1, "label_smoothing": 0.1}, {"beta": 0.7, "label_smoothing": 0.3}),
    "exo": Oracle(rowwise(exo), {"beta": 0.1, "label_smoothing": 1e-3}, {"beta": 0.7, "label_smoothing": 0.3}),
    "nca": Oracle(rowwise(nca), {"beta": 0.01}, {"beta": 0.7}),
    "apo_zero": Oracle(rowwise(apo_zero), {"beta": 0.1}, {"beta": 0.7}),
    "apo_down": Oracle(rowwise(apo_down), {"beta": 0.1}, {"beta": 0.7}),
    "aot_paired": Oracle(aot_paired, {"beta": 0.1, "label_smoothing": 0.0}, {"beta": 0.7, "label_smoothing": 0.3}),
    "aot_unpaired": Oracle(aot_unpaired, {"beta": 0.1, "label_smoothing": 0.0}, {"beta": 0.7, "label_smoothing": 0.3}),
    "f_reverse_kl": Oracle(
        rowwise(lambda r, beta: bradley_terry(beta * (ratio_w(r) + 1) - beta * (ratio_l(r) + 1))),
        {"beta": 0.1},
        {"beta": 0.7},
    ),
    "f_forward_kl": Oracle(
        rowwise(lambda r, beta: bradley_terry(beta * (exp_to(-ratio_l(r), 30) - exp_to(-ratio_w(r), 30)))),
        {"beta": 0.1},
        {"beta": 0.7},
    ),
    "f_js": Oracle(rowwise(f_js), {"beta": 0.1}, {"beta": 0.7}),
    "f_alpha": Oracle(rowwise(f_alpha), {"beta": 0.1, "alpha": 0.5}, {"beta": 0.7, "alpha": 0.25}),
    "r_dpo": Oracle(rowwise(r_dpo), {"beta": 0.1, "alpha": 0.01}, {"beta": 0.7, "alpha": 0.4}),
    "normalised_dpo": Oracle(rowwise(normalised), {"beta": 5.0}, {"beta": 0.7}),
    "simpo": Oracle(rowwise(simpo), {"beta": 2.0, "gamma": 1.0}, {"beta": 0.7, "gamma": 0.3}),
    "cpo": Oracle(rowwise(cpo), {"beta": 0.1, "alpha": 1.0}, {"beta": 0.7, "alpha": 0.3}),
    "slic": Oracle(rowwise(slic), {"margin": 1.0, "alpha": 0.0}, {"margin": 5.5, "alpha": 0.3}),
    "orpo": Oracle(rowwise(orpo), {"beta": 0.1}, {"beta": 0.7}),
    "spin": Oracle(
        rowwise(lambda r, beta: log(1 + exp(-(beta * ratio_w(r) - beta * ratio_l(r))))), {"beta": 0.1}, {"beta": 0.7}
    ),
    "sppo": Oracle(
        rowwise(lambda r, beta: squares(r, beta, r.chosen_win_rate, r.rejected_win_rate)),
        {"beta": 0.001},
        {"beta": 0.7},
    ),
    "rspo": Oracle(
        rowwise(rspo),
        {"beta": 0.001, "reverse": 0.1, "forward": 0.1},
        {"beta": 0.7, "reverse": 0.6, "forward": 0.3},
    ),
    "sppo_hard": Oracle(rowwise(lambda r, beta: squares(r, beta, 1, 0)), {"beta": 0.001}, {"beta": 0.7}),
    "irepo": Oracle(rowwise(irepo), {"beta": 0.1}, {"beta": 0.7}),
    "softmax_dpo": Oracle(rowwise(softmax_dpo), {"beta": 0.1}, {"beta": 0.7}),
    "plackett_luce": Oracle(rowwise(plackett_luce), {"beta": 0.1}, {"beta": 0.7}),
    "rrhf": Oracle(rowwise(rrhf), {"margin": 0.0, "alpha": 1.0}, {"margin": 0.3, "alpha": 0.7}),
    "kto": Oracle(
        rowwise(kto),
        {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
        {"beta": 0.7, "desirable_weight": 1.33, "undesirable_weight": 0.6},
    ),
    "bco": Oracle(rowwise(bco), {"beta": 0.1}, {"beta": 0.7}),
    "nft": Oracle(rowwise(nft), {"epsilon": 1.0}, {"epsilon": 0.3}, rowwise(nft_slope)),
    "sft": Oracle(rowwise(lambda r: -r.completion), {}, {}),
    "sequence_sft": Oracle(rowwise(lambda r: -mean(r.completion, r.tokens)), {}, {}),
    "kl_sft": Oracle(rowwise(kl_sft), {"beta": 0.1}, {"beta": 0.7}),
}

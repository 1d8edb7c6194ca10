"""Prompt: what a policy is asked, a text or a chat."""

Prompt = str | list[dict[str, str]]


def text_of(prompt: Prompt) -> str:
    """Return the text of a prompt that people and scorers see: of a chat, what the user said last.

    Example:
        >>> text_of([{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1"}])
        '1+1'
    """
    if isinstance(prompt, str):
        return prompt
    said = [message["content"] for message in prompt if message["role"] == "user"]
    return said[-1] if said else prompt[-1]["content"]

from lit_iterative.generation.prompt import text_of

CHAT = [{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1"}]


def test_what_people_see_of_a_prompt():
    assert text_of("1+1") == "1+1"
    again = [*CHAT, {"role": "assistant", "content": "2"}, {"role": "user", "content": "3+3"}]
    assert text_of(again) == "3+3"
    assert text_of([{"role": "system", "content": "Add."}]) == "Add."

from docs.make_systems import PAGE, page, recipes_of, systems


def test_the_page_of_systems_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python docs/make_systems.py"


def test_every_system_is_listed_once_with_a_state():
    ids = [system["id"] for system in systems()]
    assert ids == [f"S{number:03}" for number in range(1, 216)]
    assert sum(system["kind"] == "core" for system in systems()) == 56
    assert {system["id"] for system in systems() if not system.get("missing")} <= set(recipes_of())


def test_what_has_a_recipe_is_not_called_missing():
    known = recipes_of()
    for system in systems():
        assert (system["id"] in known) != bool(system.get("missing")), system["id"]


def test_recipes_name_systems_that_are_listed():
    assert set(recipes_of()) <= {system["id"] for system in systems()}

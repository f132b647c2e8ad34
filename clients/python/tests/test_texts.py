from signet_client.texts import Redactor, one_line, quote_product


def test_a_secret_that_contains_another_is_hidden_as_a_whole():
    redactor = Redactor(["ATLAS-12345", "ATLAS-12345-67890", None, ""])
    assert redactor.show("ATLAS-12345-67890 or ATLAS-12345") == "… or …"


def test_a_secret_is_hidden_before_the_text_is_cut():
    assert Redactor(["ATLAS-12345"]).show("x" * 295 + "ATLAS-12345") == "x" * 295 + "…"


def test_a_short_text_is_no_secret():
    assert Redactor(["not"]).show("not found") == "not found"


def test_a_text_is_shown_in_one_line():
    assert one_line(" a\r\nb\u2028c\ud800\u200b d  e ") == "a  b c \u200b d  e"
    assert quote_product("new\n" + "x" * 200) == f'"new {"x" * 96}"'

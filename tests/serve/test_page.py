"""The page in a real browser. Without Chromium and Playwright these tests are skipped."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cpner.serve.routes.pages import static_files, static_root
from tests.serve.support import DOMAINS, Served, running, wait_until
from tests.support import environment

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 240_000  # milliseconds: a training loads torch in a process of its own
EXPECTED = re.compile(r"\((Unauthorized|Forbidden|Precondition Failed)\)")  # on the console, where a test provokes it
HERD = "👨‍👩‍👧 Zoë met 💩 Ada Lovelace in 東京."
HEBREW = "אתמול דנה לוי ביקרה בחיפה עם 😀 יוסי."
NOTES = """Marta Lindqvist learned the cello from her aunt in Uppsala.
The Paper Lanterns opened the season at Kestrel Hall with two new songs.
On Friday Idris Okafor joins the Paper Lanterns on trumpet.
Nobody expected rain, and nobody brought an umbrella.
The Harbour Room now books bands such as Slow Meridian.
Slow Meridian lost their accordion on the night train from Turin.
Yuki Tanabe lent them hers and stayed for the encore.
At Kestrel Hall the doors close when the lights go down.
Okafor wrote the second verse on a napkin in the Blue Heron Club.
Her brother Jonas Lindqvist still repairs every violin himself."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open the page of a server in a fresh profile; a message on its console fails the test."""
    contexts = []
    complaints: list[str] = []

    def opened(url: str, address: str = "/", is_ready: bool = True, **options: Any) -> Any:
        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: EXPECTED.search(message.text) or complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url + address)
        if is_ready:
            page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def mini_server(tmp_path: Path) -> Iterator[Served]:
    """A server with the shipped backbone and an empty store."""
    from cpner.backbone.load import load

    with running(load("cpner-mini", device="cpu"), tmp_path / "store", max_wait=60.0, timeout=120.0) as served:
        yield served


def marks(page: Any, row: int) -> list[tuple[str, str]]:
    """Text and type of the marks of a sentence, as they are on screen."""
    script = """(element) => [...element.querySelectorAll("mark")].map((mark) =>
        [mark.querySelector("[data-o]").textContent, mark.querySelector(".tag").childNodes[1].textContent])"""
    return [(text, type_) for text, type_ in page.locator("cp-text").nth(row).evaluate(script)]


def exported(page: Any) -> list[dict[str, Any]]:
    """The training set as the page saves it in the library's own format."""
    if not page.locator("#export").is_visible():
        page.get_by_role("heading", name="Files").click()
    with page.expect_download() as download:
        page.click("#export")
    return [json.loads(line) for line in Path(download.value.path()).read_text("utf-8").splitlines()]


def add_types(page: Any, types: str) -> None:
    page.fill("#new-types", types)
    page.keyboard.press("Enter")


def run(command: list[str]) -> str:
    """What a command prints."""
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


def wait_for_answers(page: Any) -> None:
    page.wait_for_selector("#rows[aria-busy=false] cp-text p")


def paste(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.click("#find")
    wait_for_answers(page)


def select(page: Any, row: int, words: str) -> None:
    """Select words with the mouse, from their first letter to their last."""
    script = """(element, words) => {
        const piece = [...element.querySelectorAll("[data-o]")].find((one) => one.textContent.includes(words));
        piece.scrollIntoView({ block: "center" });
        const range = document.createRange();
        const at = piece.textContent.indexOf(words);
        range.setStart(piece.firstChild, at);
        range.setEnd(piece.firstChild, at + words.length);
        const boxes = [...range.getClientRects()];
        const rtl = getComputedStyle(element.querySelector("p")).direction === "rtl";
        const [first, last] = [boxes[0], boxes[boxes.length - 1]];
        const y = first.top + first.height / 2;
        return rtl ? [first.right - 1, y, last.left + 1, y] : [first.left + 1, y, last.right - 1, y];
    }"""
    left, top, right, bottom = page.locator("cp-text").nth(row).evaluate(script, words)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=4)
    page.mouse.up()


def label(page: Any, row: int, words: str, type_: str) -> None:
    """Give selected words a type by the menu."""
    select(page, row, words)
    page.get_by_role("menuitem", name=re.compile(rf"\b{type_}$")).click()


def test_the_page_is_small_and_asks_nobody_else(shared_server: Served) -> None:
    page = shared_server.client.get("/")
    own = [name for name in static_files() if name != "docs.css"]
    sent = len(page.content)
    for name in own:
        with httpx.stream("GET", f"{shared_server.url}{static_root()}/{name}") as reply:
            sent += len(b"".join(reply.iter_raw()))
            assert reply.status_code == 200
    source = page.text + "".join(static_files()[name].decode() for name in own)

    assert sent < 60_000
    assert not re.findall(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source)
    assert set(re.findall(r"https?://[^\s\"'`]+", source)) <= {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"\son[a-z]+=|style=|<script>|<style>", page.text)
    assert "script-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.slow
def test_a_domain_is_made_from_nothing_and_installed(mini_server: Served, open_page: Any) -> None:
    page = open_page(mini_server.url)
    assert page.get_by_role("heading", name="A domain of your own in five minutes").is_visible()
    add_types(page, "person, band, venue, instrument")
    paste(page, NOTES)
    assert ("Marta Lindqvist", "person") in marks(page, 0)

    # correct
    page.locator("#threshold").fill("1")
    assert not any(marks(page, row) for row in range(10))
    page.locator("#threshold").fill("0.99")
    wanted: list[list[tuple[str, str]]] = [
        [("Marta Lindqvist", "person"), ("cello", "instrument")],
        [("Paper Lanterns", "band"), ("Kestrel Hall", "venue")],
        [("Idris Okafor", "person"), ("Paper Lanterns", "band"), ("trumpet", "instrument")],
        [],
        [("Harbour Room", "venue"), ("Slow Meridian", "band")],
        [("Slow Meridian", "band"), ("accordion", "instrument")],
        [("Yuki Tanabe", "person")],
        [("Kestrel Hall", "venue")],
        [("Okafor", "person"), ("Blue Heron Club", "venue")],
        [("Jonas Lindqvist", "person"), ("violin", "instrument")],
    ]
    for row, entities in enumerate(wanted):
        for words, type_ in entities:
            if (words, type_) not in marks(page, row):
                label(page, row, words, type_)
        assert marks(page, row) == entities
        page.locator("cp-text").nth(row).focus()
        page.keyboard.press("Enter")
    assert page.locator("#tally").inner_text() == "10 of 10 confirmed"
    assert page.locator("#set-note").inner_text() == "8 to learn from, 2 held out to compare old and new."

    # train
    page.fill("#target", "gigs")
    page.select_option("#effort", "quick")
    page.click("#start")
    page.wait_for_selector("#training progress")
    page.reload()
    page.wait_for_selector("html[data-ready]", timeout=PATIENCE)
    page.wait_for_selector("#scores", timeout=PATIENCE)
    figures = page.locator("#scores tr.all td").all_inner_texts()
    assert [row["name"] for row in mini_server.client.get("/v1/domains").json()["domains"]] == ["gigs-draft"]

    # the figures are the library's
    held_out = page.evaluate("JSON.parse(localStorage.getItem('cpner:work')).training.test")
    sentences = [{"text": one["text"], "entities": one["marks"]} for one in held_out]
    for one in sentences:
        one["entities"] = [{name: mark[name] for name in ("start", "end", "type")} for mark in one["entities"]]
    scored = mini_server.client.post("/v1/domains/gigs-draft/evaluate", json={"sentences": sentences}).json()
    assert len(sentences) == 2
    assert figures[1] == f"{scored['f1']:.1f}"

    # compare, install
    page.get_by_role("button", name="Side by side").click()
    page.get_by_text("types alone and gigs-draft differ in").wait_for()
    page.get_by_role("button", name="Install").click()
    page.wait_for_selector("#training", state="hidden")
    wait_for_answers(page)
    assert page.locator("#domain").input_value() == "=gigs"
    assert [row["name"] for row in mini_server.client.get("/v1/domains").json()["domains"]] == ["gigs"]
    assert page.locator("#tally").inner_text() == "10 of 10 confirmed"

    # use, also over HTTP
    text = "Marta Lindqvist plays the cello."
    reply = mini_server.client.post("/v1/predict", json={"domain": "gigs", "text": text, "threshold": 0.5}).json()
    page.get_by_role("heading", name="Text").click()
    page.locator("#threshold").fill("0.5")
    paste(page, text)
    assert marks(page, 0) == [(one["text"], one["type"]) for one in reply["results"][0]["entities"]]
    assert len(exported(page)) == 10

    # its card
    page.get_by_role("heading", name="Domain", exact=True).click()
    page.get_by_role("button", name="Score on my sentences").click()
    page.get_by_role("heading", name="on 10 sentences").wait_for()
    assert page.get_by_role("heading", name="Score, and share that is right").is_visible()
    assert page.locator("#scored circle").count() >= 2
    page.get_by_role("heading", name="Code").click()
    page.locator("#python").get_by_text("gigs").wait_for()
    printed = run([sys.executable, "-c", page.locator("#python").inner_text()])
    assert printed.count("Entity(") == len(marks(page, 0))
    if shutil.which("curl"):
        answer = json.loads(run(["bash", "-c", page.locator("#curl").inner_text()]))
        assert answer["results"][0]["domain"] == "gigs"


@pytest.mark.slow
def test_a_training_is_stopped_goes_on_and_is_discarded(tiny: Any, store: Path, open_page: Any) -> None:
    with running(tiny, store) as served:
        page = open_page(served.url)
        page.select_option("#domain", "=one")
        paste(page, "\n".join(f"Ada left for Rome {i} times." for i in range(6)))
        page.locator("#threshold").fill("1")
        for row in range(6):
            label(page, row, "Ada", "person")
            page.keyboard.press("Enter")
        page.select_option("#sources", "none")
        page.click("#start")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("was stopped").wait_for(timeout=PATIENCE)
        page.get_by_role("button", name="Go on").click()
        page.wait_for_selector("#scores", timeout=PATIENCE)
        assert page.locator("#scores caption").inner_text() == "F1 on 1 sentence held out"
        page.get_by_role("button", name="Discard").click()
        page.wait_for_selector("#training", state="hidden")
        assert [row["name"] for row in served.client.get("/v1/domains").json()["domains"]] == list(DOMAINS)
        assert page.locator("#tally").inner_text() == "6 of 6 confirmed"


@pytest.mark.slow
def test_offsets_are_right_beside_emoji_and_from_right_to_left(shared_server: Served, open_page: Any) -> None:
    page = open_page(shared_server.url)
    page.select_option("#domain", "=one")
    paste(page, f"{HERD}\n{HEBREW}")
    page.locator("#threshold").fill("0")
    for row, text in enumerate((HERD, HEBREW)):
        reply = shared_server.client.post("/v1/predict", json={"domain": "one", "text": text}).json()
        found = reply["results"][0]["entities"]
        assert marks(page, row) == [(one["text"], one["type"]) for one in found]
    page.locator("#threshold").fill("1")
    label(page, 0, "Ada Lovelace", "person")
    label(page, 0, "👨‍👩‍👧", "political party")
    label(page, 1, "דנה לוי", "person")
    label(page, 1, "יוסי", "person")
    for row in (0, 1):
        page.locator("cp-text").nth(row).focus()
        page.keyboard.press("Enter")
    cut = [[(one["text"][e["start"] : e["end"]], e["type"]) for e in one["entities"]] for one in exported(page)]

    assert cut == [
        [("👨‍👩‍👧", "political party"), ("Ada Lovelace", "person")],
        [("דנה לוי", "person"), ("יוסי", "person")],
    ]
    assert page.locator("cp-text p").nth(1).evaluate("(p) => getComputedStyle(p).direction") == "rtl"


@pytest.mark.slow
def test_everything_can_be_done_by_keys_alone(shared_server: Served, open_page: Any) -> None:
    page = open_page(shared_server.url)
    press = page.keyboard.press
    page.locator("#new-types").focus()
    page.keyboard.type("person, place")
    press("Enter")
    page.locator("#text").focus()
    page.keyboard.type("Ada left for Rome.\nBob Dylan stayed.")
    press("Control+Enter")
    wait_for_answers(page)
    page.locator("#threshold").focus()
    press("End")
    page.locator("cp-text").nth(0).focus()
    press("ArrowRight")
    press("1")
    for _ in range(3):
        press("ArrowRight")
    press("t")
    press("ArrowDown")
    press("Enter")
    assert marks(page, 0) == [("Ada", "person"), ("Rome", "place")]
    press("Tab")
    press("ArrowRight")
    press("Shift+ArrowRight")
    press("2")
    assert marks(page, 1) == [("Bob Dylan", "place")]
    press("1")
    assert marks(page, 1) == [("Bob Dylan", "person")]
    press("Control+z")
    assert marks(page, 1) == [("Bob Dylan", "place")]
    press("Control+y")
    press("Delete")
    assert marks(page, 1) == []
    press("Control+z")
    press("ArrowUp")
    press("Enter")
    press("Enter")
    assert page.locator("#tally").inner_text() == "2 of 2 confirmed"
    assert [len(one["entities"]) for one in exported(page)] == [2, 1]


@pytest.mark.slow
def test_what_was_corrected_outlives_the_tab(shared_server: Served, open_page: Any) -> None:
    page = open_page(shared_server.url)
    add_types(page, "person")
    paste(page, "Ada left.\nBob stayed.")
    page.locator("#threshold").fill("1")
    label(page, 0, "Ada", "person")
    page.keyboard.press("Enter")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.locator("#tally").inner_text() == "1 of 2 confirmed"
    page.get_by_role("heading", name="Text").click()
    paste(page, "Another text.")
    assert exported(page) == [{"text": "Ada left.", "entities": [{"start": 0, "end": 3, "type": "person"}]}]
    page.fill("#name-0", "human")
    page.keyboard.press("Enter")
    assert exported(page)[0]["entities"][0]["type"] == "human"


@pytest.mark.slow
def test_corrections_are_found_by_another_browser_and_never_lost_to_it(tiny: Any, store: Path, open_page: Any) -> None:
    with running(tiny, store) as served:

        def confirmed(*counts: int) -> bool:
            rows = served.client.get("/v1/worksheets").json()["worksheets"]
            return sorted(row["confirmed"] for row in rows) == sorted(counts)

        page = open_page(served.url)
        add_types(page, "person")
        paste(page, "💩 Ada left.\nBob stayed.")
        assert confirmed()  # a text that is only looked at stays here
        page.locator("#threshold").fill("1")
        label(page, 0, "Ada", "person")
        page.keyboard.press("Enter")
        wait_until(lambda: confirmed(1))

        other = open_page(served.url)
        other.get_by_role("button", name="person", exact=True).click()
        wait_until(lambda: other.locator("#tally").inner_text() == "1 of 2 confirmed")
        assert marks(other, 0) == [("Ada", "person")]
        label(other, 1, "Bob", "person")
        other.keyboard.press("Enter")
        wait_until(lambda: confirmed(2))
        page.reload()
        page.wait_for_selector("html[data-ready]")
        wait_until(lambda: page.locator("#tally").inner_text() == "2 of 2 confirmed")

        page.get_by_role("button", name="Sentence 1 is right").click()
        wait_until(lambda: confirmed(1))
        other.get_by_role("button", name="Sentence 2 is right").click()
        other.get_by_role("button", name="Sentence 1 is right").click()
        wait_until(lambda: confirmed(1, 0))
        other.locator("#problem").get_by_text("was changed in another browser too").wait_for()

        other.get_by_role("heading", name="Files").click()
        other.get_by_role("button", name="Start anew").click()
        assert other.get_by_role("heading", name="A domain of your own in five minutes").is_visible()
        assert other.locator("#worksheet-list li").count() == 2
        other.get_by_role("button", name="Delete the worksheet").first.click()
        other.get_by_role("button", name="Yes").click()
        wait_until(lambda: len(served.client.get("/v1/worksheets").json()["worksheets"]) == 1)
    assert {path.name for path in store.iterdir()} == {*DOMAINS, ".jobs", ".lock", ".worksheets"}


@pytest.mark.slow
def test_types_that_are_switched_off_keep_their_labels(shared_server: Served, open_page: Any) -> None:
    page = open_page(shared_server.url)
    add_types(page, "person, place")
    paste(page, "Ada left for Rome.")
    page.locator("#threshold").fill("1")
    label(page, 0, "Ada", "person")
    page.locator("#on-0").uncheck()
    assert marks(page, 0) == []
    label(page, 0, "Rome", "place")
    page.keyboard.press("Enter")
    page.locator("#on-0").check()
    assert marks(page, 0) == [("Ada", "person"), ("Rome", "place")]


@pytest.mark.slow
def test_a_word_is_tapped_on_a_touch_screen(shared_server: Served, open_page: Any) -> None:
    page = open_page(shared_server.url, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    add_types(page, "person")
    paste(page, "Ada left.")
    page.locator("#threshold").fill("1")
    box = page.locator("cp-text").bounding_box()
    page.touchscreen.tap(box["x"] + 15, box["y"] + 20)
    page.get_by_role("menuitem", name="person").tap()
    assert marks(page, 0) == [("Ada", "person")]


@pytest.mark.slow
def test_labelled_files_come_in_and_go_out(shared_server: Served, open_page: Any, tmp_path: Path) -> None:
    page = open_page(shared_server.url)
    file = tmp_path / "labelled.conll"
    file.write_text("Ada B-person\nLovelace I-person\nleft O\n. O\n\nRome B-city\nslept O\n", "utf-8")
    page.get_by_role("heading", name="Files").click()
    page.set_input_files("#import", file)
    page.get_by_role("button", name="Training set (2)").wait_for(state="attached")
    assert [[e["type"] for e in one["entities"]] for one in exported(page)] == [["person"], ["city"]]
    page.select_option("#format", "html")
    with page.expect_download() as download:
        page.click("#export")
    assert "<mark>Ada Lovelace<sub> person</sub></mark>" in Path(download.value.path()).read_text("utf-8")


@pytest.mark.slow
def test_text_of_a_user_is_never_markup(shared_server: Served, open_page: Any) -> None:
    page = open_page(shared_server.url)
    add_types(page, '<img src=x onerror="document.title=1">')
    paste(page, '<img src=x onerror="document.title=1"> & <b>bold</b>')

    assert page.locator("#columns img, #columns cp-text b").count() == 0
    assert page.locator("cp-text p").inner_text().startswith("<img src=x")
    assert page.title() == "cpner: named entities"


@pytest.mark.slow
def test_a_link_holds_what_is_on_screen_and_sends_none_of_it(shared_server: Served, open_page: Any) -> None:
    asked: list[str] = []
    page = open_page(shared_server.url, "/#domain=two&beside=one&threshold=0.2&text=Ada+left.%0ABob+stayed.")
    page.on("request", lambda request: asked.append(request.url))

    assert page.locator("#domain").input_value() == "=two"
    assert page.locator("#other").input_value() == "=one"
    assert page.locator("#threshold-shown").inner_text() == "0.20"
    assert page.locator(".row").count() == 2
    page.reload()
    assert not [url for url in asked if "Bob" in url]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(shared_server: Served, open_page: Any, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    size = {"width": width, "height": 800}
    page = open_page(shared_server.url, color_scheme=scheme, viewport=size, bypass_csp=True)
    check = axe.Axe()
    found = {"empty": check.run(page)}
    page.locator("[data-sample=music]").click()
    wait_for_answers(page)
    page.locator("#threshold").fill("0")
    for heading in ("Domain", "Files", "Code"):
        page.get_by_role("heading", name=heading, exact=True).click()
    found["sample"] = check.run(page)
    page.select_option("#domain", "=one")
    page.select_option("#other", "=two")
    wait_for_answers(page)
    found["beside"] = check.run(page)
    page.click("#keys-open")
    found["keys"] = check.run(page)

    told = [
        f"{name}: {rule['id']} at {node['html'][:200]}"
        for name, result in found.items()
        for rule in result.response["violations"]
        for node in rule["nodes"]
    ]
    assert not told, "\n".join(told)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide


@pytest.mark.slow
def test_a_server_with_keys_asks_for_one(tiny: Any, store: Path, open_page: Any) -> None:
    with running(tiny, store, read_key="r" * 20, admin_key="a" * 20) as served:
        page = open_page(served.url, is_ready=False)
        page.locator("#key").fill("r" * 20)
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#domain option").count() == 4

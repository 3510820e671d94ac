"""The Web UI in a browser: what a user sees of two clusters has to look like one.

`tests/tests/ui.rs` makes what is looked for, and starts the UI. Screenshots are kept.
"""

import argparse
import re
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
"""As in a container: no user namespaces, no screen, no calls home."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ui", required=True, metavar="URL")
    parser.add_argument("--chromium", required=True, metavar="PATH")
    parser.add_argument("--pictures", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--workflows", required=True, type=int, metavar="N")
    wanted = parser.parse_args()
    wanted.pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=wanted.chromium, args=CHROMIUM
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        expect.set_options(timeout=20_000)
        user = User(page, wanted.ui, wanted.pictures)
        user.lists(wanted.workflows)
        user.filters()
        user.opens_a_workflow()
        user.sees_schedules()
        user.sees_workers()
        browser.close()


class User:
    """Somebody who looks."""

    def __init__(self, page: Page, ui: str, pictures: Path) -> None:
        self.page = page
        self.ui = ui
        self.pictures = pictures

    def goes_to(self, path: str) -> None:
        self.page.goto(f"{self.ui}/namespaces/default/{path}")

    def takes_a_picture(self, name: str) -> None:
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)

    def rows(self) -> list[str]:
        """The workflow ids that the list shows, from the top."""
        links = self.page.locator("table a[href*='/workflows/']").all()
        ids = [re.search(r"/workflows/([^/?]+)", a.get_attribute("href") or "") for a in links]
        seen = [match.group(1) for match in ids if match]
        return list(dict.fromkeys(seen))

    def lists(self, count: int) -> None:
        """All of both clusters, the newest first, over two pages."""
        self.goes_to("workflows")
        expect(self.page.get_by_text(f"order-{count - 1:03}").first).to_be_visible()
        first = self.rows()
        newest = [f"order-{n:03}" for n in reversed(range(count))]
        assert first == newest[:100], f"the first page has {first}"
        self.takes_a_picture("workflows")
        self.page.get_by_role("button", name="Next").last.click()
        expect(self.page.get_by_text("order-000").first).to_be_visible()
        second = self.rows()
        assert second == newest[100:], f"the second page has {second}"
        self.takes_a_picture("workflows-page-2")
        print(f"{len(first)} + {len(second)} workflows, the newest first")

    def filters(self) -> None:
        self.goes_to('workflows?query=WorkflowId%3D"order-003"')
        row = self.page.locator("table a[href*='/workflows/order-003']").first
        expect(row).to_be_visible()
        expect(self.page.locator("table a[href*='/workflows/order-004']")).to_have_count(0)
        assert self.rows() == ["order-003"], self.rows()
        self.takes_a_picture("workflows-filtered")
        print("a filter leaves one")

    def opens_a_workflow(self) -> None:
        self.page.locator("table a[href*='/workflows/order-003']").first.click()
        expect(self.page.get_by_text("Workflow Execution Started").first).to_be_visible()
        expect(self.page.get_by_text("Workflow Task Scheduled").first).to_be_visible()
        self.takes_a_picture("workflow")
        print("a workflow has its history")

    def sees_schedules(self) -> None:
        self.goes_to("schedules")
        for schedule in ["nightly", "hourly", "weekly", "daily"]:
            expect(self.page.get_by_text(schedule).first).to_be_visible()
        self.takes_a_picture("schedules")
        print("all schedules are there")

    def sees_workers(self) -> None:
        self.goes_to("task-queues/polled")
        expect(self.page.get_by_text("bare").first).to_be_visible()
        self.takes_a_picture("task-queue")
        print("the task queue has its worker")


if __name__ == "__main__":
    main()

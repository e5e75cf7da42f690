import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bell, notices, shown } from "../src/modules/notices.ts";

const find = <T extends HTMLElement>(selector: string): T => document.querySelector(selector) as T;
let asked: [string, RequestInit | undefined][];
let answer: Response;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answer = new Response(JSON.stringify({ unread: 3 }));
  vi.stubGlobal("fetch", async (url: string, init?: RequestInit) => {
    asked.push([url, init]);
    return answer.clone();
  });
  document.head.innerHTML = '<meta name="csrf-token" content="t0ken">';
  document.body.innerHTML = `<a data-bell="/count" data-name="Notices"><span class="dot" hidden>0</span></a>
    <form action="/read"><ul><li class="notice fresh" data-notice="7"><p class="notice-title"><a href="#r">Title</a></p><button></button></li></ul></form>
    <div id="live"></div>`;
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the bell", () => {
  it("shows no more than the server counts", () => {
    expect([shown(0), shown(99), shown(100)]).toEqual(["0", "99", "99+"]);
  });

  it("asks once a minute and tells what is new", async () => {
    bell(find("[data-bell]"));
    expect(asked).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(find(".dot").textContent).toBe("3");
    expect(find(".dot").hidden).toBe(false);
    expect(find("[data-bell]").getAttribute("aria-label")).toBe("Notices (3)");
    expect(find("#live").textContent).toBe("Notices (3)");
    answer = new Response(JSON.stringify({ unread: 0 }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(find(".dot").hidden).toBe(true);
    expect(find("[data-bell]").getAttribute("aria-label")).toBe("Notices");
  });

  it("does not ask for a page that nobody looks at", async () => {
    vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    bell(find("[data-bell]"));
    await vi.advanceTimersByTimeAsync(180_000);
    expect(asked).toHaveLength(0);
    vi.restoreAllMocks();
  });

  it("stops after one has logged out", async () => {
    answer = new Response("{}", { status: 401 });
    bell(find("[data-bell]"));
    await vi.advanceTimersByTimeAsync(300_000);
    expect(asked).toHaveLength(1);
  });
});

describe("the list", () => {
  it("marks what is opened as read, with a post", () => {
    notices(find<HTMLFormElement>("form"));
    find("a[href='#r']").click();
    const [url, init] = asked[0] ?? ["", {}];
    expect(url).toContain("/read");
    expect(init?.method).toBe("POST");
    expect(init?.keepalive).toBe(true);
    expect(String(init?.body)).toBe("id=7");
    expect(new Headers(init?.headers).get("X-CSRF-Token")).toBe("t0ken");
    expect(find(".notice").classList.contains("fresh")).toBe(false);
    expect(find(".notice button")).toBeNull();
    find("a[href='#r']").click();
    expect(asked).toHaveLength(1);
  });
});

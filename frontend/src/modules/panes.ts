/** In-page tabs: links to panels become an ARIA tab list; without scripts all panels are shown. */
export function tabs(host: HTMLElement): void {
  const list = host.querySelector<HTMLElement>("[data-tablist]");
  if (!list) return;
  const links = [...list.querySelectorAll<HTMLAnchorElement>("a")];
  const panel = (link: HTMLAnchorElement) => document.getElementById(link.hash.slice(1));
  const show = (chosen: HTMLAnchorElement) => {
    for (const link of links) {
      const active = link === chosen;
      link.setAttribute("aria-selected", String(active));
      link.tabIndex = active ? 0 : -1;
      if (active) centre(list, link);
      const body = panel(link);
      if (body) body.hidden = !active;
    }
  };
  list.setAttribute("role", "tablist");
  for (const link of links) {
    link.setAttribute("role", "tab");
    link.setAttribute("aria-controls", link.hash.slice(1));
    panel(link)?.setAttribute("role", "tabpanel");
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(link);
    });
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const open = links.filter((link) => !link.hidden);
    const at = open.indexOf(document.activeElement as HTMLAnchorElement);
    const next = step && at >= 0 ? open[(at + step + open.length) % open.length] : undefined;
    if (!next) return;
    event.preventDefault();
    show(next);
    next.focus();
  });
  // a link of the error summary, or an invalid field, opens the sheet it is on
  const reveal = (id: string) => {
    const target = id ? document.getElementById(id) : null;
    const link = target && links.find((each) => panel(each)?.contains(target));
    if (link) show(link);
  };
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.<HTMLAnchorElement>('a[href^="#"]');
    if (!link || links.includes(link)) return;
    reveal(link.hash.slice(1));
    const target = document.getElementById(link.hash.slice(1));
    if (!target || !host.contains(target)) return;
    event.preventDefault();
    target.focus();
    target.scrollIntoView({ block: "center" });
  });
  const bad = links.find(
    (link) => !link.hidden && panel(link)?.querySelector("[aria-invalid], .bad"),
  );
  const first = bad ?? links.find((link) => !link.hidden);
  if (first) show(first);
  if (location.hash) reveal(location.hash.slice(1));
}

/** Moves a row that is too long for the screen so that one of its parts is in the middle. */
function centre(row: HTMLElement, part: HTMLElement): void {
  row.scrollLeft = part.offsetLeft - row.offsetLeft - (row.clientWidth - part.clientWidth) / 2;
}

/** The progress bar of a record begins where the record is. */
export function progress(box: HTMLElement): void {
  const current = box.querySelector<HTMLElement>("[aria-current]");
  if (current) centre(box, current);
}

/** Parts of the record page that share one screen on phones. */
export function panes(host: HTMLElement): void {
  const links = [...host.querySelectorAll<HTMLAnchorElement>("a[data-pane]")];
  const show = (name: string | undefined) => {
    for (const link of links) {
      if (link.dataset.pane === name) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const body of host.querySelectorAll<HTMLElement>("[data-pane-body]")) {
      body.classList.toggle("is-shown", body.dataset.paneBody === name);
    }
  };
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(link.dataset.pane);
    });
  }
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.<HTMLElement>("[data-show-pane]");
    if (!link) return;
    event.preventDefault();
    show(link.dataset.showPane);
    document.getElementById(link.dataset.showPane ?? "")?.scrollIntoView();
    host.querySelector<HTMLElement>(".is-shown .decide textarea")?.focus();
  });
  show(links.find((link) => link.hash === location.hash)?.dataset.pane ?? links[0]?.dataset.pane);
}

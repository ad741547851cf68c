/**
 * What keeps the page live, in the browser: the end of its script, called by what page.ts puts behind it. The part of the DOM that
 * it needs is declared here, as the rest of the program has none.
 */
import { readout, spanOf } from './plot.js';
import type { StatusReport } from './report.js';
import { type Clock, plotsOf, statusView } from './view.js';

interface Nodes {
  readonly length: number;
  readonly [index: number]: Element;
}

export interface Element {
  readonly nodeType: number;
  readonly nodeName: string;
  readonly childNodes: Nodes;
  readonly attributes: {
    readonly length: number;
    readonly [index: number]: { name: string; value: string };
  };
  nodeValue: string | null;
  textContent: string | null;
  innerHTML: string;
  className: string;
  readonly content: Element;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  appendChild(child: Element): void;
  replaceChild(child: Element, old: Element): void;
  removeChild(child: Element): void;
  closest(selector: string): Element | null;
  querySelector(selector: string): Element | null;
  getBoundingClientRect(): { readonly left: number; readonly width: number };
}

interface PointerEvent {
  readonly target: Element;
  readonly clientX: number;
}

export interface Browser {
  readonly document: {
    readonly hidden: boolean;
    title: string;
    readonly body: Element;
    querySelector(selector: string): Element | null;
    createElement(name: string): Element;
    addEventListener(type: string, listener: (event: PointerEvent) => void): void;
  };
  readonly location: { reload(): void };
}

const POLL_MS = 2_000;
/** A worker that does not answer is waited for for a second. */
const PATIENCE_MS = 6_000;

const two = (number: number): string => String(number).padStart(2, '0');

/** In the time zone of who looks; the date too, where it is another. */
const localClock: Clock = (ms) => {
  const date = new Date(ms);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.toDateString() === new Date().toDateString() ? time : `${day} ${time}`;
};

/** Makes one tree like another, and leaves alone what is: what is selected, focused or unfolded stays so. */
export function morph(from: Element, to: Element): void {
  const children = Array.from(to.childNodes);
  const old = Array.from(from.childNodes);
  for (const [index, child] of children.entries()) {
    const before = old[index];
    if (!before) from.appendChild(child);
    else if (before.nodeName !== child.nodeName) from.replaceChild(child, before);
    else if (child.nodeType !== 1) {
      if (before.nodeValue !== child.nodeValue) before.nodeValue = child.nodeValue;
    } else {
      alike(before, child);
      morph(before, child);
    }
  }
  for (const extra of old.slice(children.length)) from.removeChild(extra);
}

function alike(from: Element, to: Element): void {
  for (const { name } of Array.from(from.attributes)) {
    // Whoever unfolded it may fold it again.
    if (name !== 'open' && to.getAttribute(name) === null) from.removeAttribute(name);
  }
  for (const { name, value } of Array.from(to.attributes)) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
}

/** Asks for the status every two seconds while the page is seen. `version`: of the gfserve that wrote the page. */
export function live({ document, location }: Browser, version: string): void {
  const main = document.querySelector('main');
  const sign = document.querySelector('#live');
  if (!main || !sign) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isAsking = false;
  let report: StatusReport | null = null;
  let lastMs = Date.now();

  const say = (tone: string, text: string): void => {
    if (sign.textContent !== text) sign.textContent = text;
    if (sign.className !== tone) sign.className = tone;
    document.body.className = tone === 'lost' ? 'lost' : '';
  };
  const show = (next: StatusReport): void => {
    report = next;
    lastMs = Date.now();
    const fresh = document.createElement('template');
    fresh.innerHTML = statusView(next, localClock);
    morph(main, fresh.content);
    document.title = `${next.ready ? '' : 'Not ready: '}gfserve on ${next.host}`;
    // It may have come after the page was hidden.
    if (document.hidden) say('paused', 'Paused');
    else say('live', 'Live');
  };
  const ask = async (): Promise<void> => {
    if (isAsking || document.hidden) return;
    isAsking = true;
    clearTimeout(timer);
    try {
      const answer = await fetch('status.json', { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const next = (await answer.json()) as StatusReport;
      // Another version may say other things than this page can show.
      if (next.version !== version) location.reload();
      else show(next);
    } catch {
      say('lost', `No answer since ${localClock(lastMs)}: what is shown is as of then`);
    }
    isAsking = false;
    timer = setTimeout(() => void ask(), POLL_MS);
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) say('paused', 'Paused');
    else void ask();
  });
  pointing(document, () => report);
  void ask();
}

/** Whoever points at a plot reads what it was then, in place of its note. */
function pointing(document: Browser['document'], latest: () => StatusReport | null): void {
  const output = document.querySelector('#readout');
  document.addEventListener('pointermove', ({ target, clientX }) => {
    const frame = target.closest?.('.frame')?.querySelector('svg');
    const report = latest();
    const id = frame?.closest('figure')?.getAttribute('id');
    const plot = report && plotsOf(report).find((each) => each.id === id);
    if (!output) return;
    if (!frame || !plot || plot.at.length === 0) {
      output.className = '';
      return;
    }
    const { left, width } = frame.getBoundingClientRect();
    const ms = plot.endMs - (1 - (clientX - left) / width) * spanOf(plot);
    const after = plot.at.findIndex((each) => each >= ms);
    const index = after < 0 ? plot.at.length - 1 : after;
    output.textContent = readout(plot, index, localClock);
    output.className = 'shown';
  });
}

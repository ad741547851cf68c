/** What one volume has in the cache, by name and by gfid. */
import type { Stat } from '../storage.js';
import { Content, type Found, type Ground, inOnePiece, Name } from './entries.js';
import { isIdentical, type Large, sameVersion } from './large.js';
import type { Memory } from './memory.js';
import type { Workshop } from './variants.js';
import type { Watches } from './watches.js';

export class Shelf {
  readonly #names = new Map<string, Name>();
  readonly #contents = new Map<string, Content>();
  readonly #larges = new Map<string, Large>();
  readonly #ground: Ground;

  constructor(
    private readonly memory: Memory,
    watches: Watches,
    workshop: Workshop,
    onHits: (count: number) => void,
  ) {
    const forget = (name: Name): void => this.forget(name);
    const discard = (content: Content): void => this.discard(content);
    this.#ground = { watches, memory, workshop, onHits, forget, discard };
  }

  get size(): number {
    return this.#names.size;
  }

  get(key: string): Name | undefined {
    return this.#names.get(key);
  }

  /** A name that is not on the shelf yet. */
  make(key: string, found: Found): Name {
    return new Name(inOnePiece(key), found, this.#ground);
  }

  /** In place of what was there under its key. Where there is no room it is not kept, which `held` says. */
  put(name: Name): void {
    const { found, key } = name;
    if (found.kind === 'file' && found.content) this.#keep(found.content);
    if (found.kind === 'large') this.#larges.set(found.stat.gfid, found.large);
    const former = this.#names.get(key);
    if (former) this.forget(former);
    if (this.memory.holdObject(name, performance.now())) this.#names.set(key, name);
  }

  forget(name: Name): void {
    if (!name.alive) return;
    this.memory.dropObject(name);
    if (this.#names.get(name.key) === name) this.#names.delete(name.key);
    const { found } = name;
    name.end();
    if (found.kind === 'file' && found.content?.isNamed === false) this.discard(found.content);
    if (found.kind !== 'large' || !found.large.isDead) return;
    if (this.#larges.get(found.stat.gfid) === found.large) this.#larges.delete(found.stat.gfid);
  }

  /** The same version of a file, if it is there. */
  content(stat: Stat): Content | null {
    const content = this.#contents.get(stat.gfid);
    return content && isIdentical(content.stat, stat) ? content : null;
  }

  /** Room for a file that is to be kept whole, whose bytes are still to come; null: there is none. */
  reserve(stat: Stat): Content | null {
    const content = new Content(stat, this.#ground);
    return this.memory.houseObject(content, stat.size, performance.now()) ? content : null;
  }

  discard(content: Content): void {
    const { gfid } = content.stat;
    this.memory.dropObject(content);
    content.end();
    if (this.#contents.get(gfid) === content) this.#contents.delete(gfid);
    for (const name of content.names()) this.forget(name);
  }

  /** The same version of a large file, if it is there. */
  large(stat: Stat): Large | null {
    const large = this.#larges.get(stat.gfid);
    return large && !large.isDead && sameVersion(large.stat, stat) ? large : null;
  }

  #keep(content: Content): void {
    const { gfid } = content.stat;
    const former = this.#contents.get(gfid);
    if (former && former !== content) this.discard(former);
    this.#contents.set(gfid, content);
  }
}

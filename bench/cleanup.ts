/** What must be undone however the run ends: last begun, first undone. */

type Undo = () => Promise<unknown>;

export class Cleanup {
  readonly #steps: { readonly what: string; readonly undo: Undo }[] = [];
  #running: Promise<void> | null = null;

  /** True once it has begun: whoever starts something after that must not. */
  get begun(): boolean {
    return this.#running !== null;
  }

  /** Remembers a step. Once the clean-up has begun, the step is undone at once. */
  add(what: string, undo: Undo): void {
    if (this.#running !== null) void this.#undo(what, undo);
    else this.#steps.push({ what, undo });
  }

  /** Undoes everything, once. A step that fails is told and doesn't hold up the others. */
  run(): Promise<void> {
    this.#running ??= this.#all();
    return this.#running;
  }

  async #all(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await this.#undo(step.what, step.undo);
    }
  }

  async #undo(what: string, undo: Undo): Promise<void> {
    await undo().catch((error: unknown) => {
      process.stderr.write(`bench: cleaning up ${what}: ${(error as Error).message}\n`);
    });
  }
}

/** What of a volume's file says where files are. */

const PLACES = /^\s*(type cluster\/|option remote-(host|subvolume)\s|subvolumes\s)/;

/** Whether two volume files of a volume name other bricks, or put them together otherwise: not where only options differ. */
export function haveOtherBricks(a: string, b: string): boolean {
  const places = (text: string): string =>
    text
      .split('\n')
      .filter((line) => PLACES.test(line))
      .join('\n');
  return places(a) !== places(b);
}

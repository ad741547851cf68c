/**
 * Names on a volume are bytes (a char each, see path.ts), but patterns match text. These two convert without loss: a byte
 * that is no part of valid UTF-8 becomes the lone surrogate U+DC80 to U+DCFF, as Python's surrogateescape does, which no
 * text of the configuration can hold. Pure.
 */

const ASCII = /^[\0-\x7f]*$/;

/** RFC 3629 §4: the well-formed sequences of two to four bytes, else a single stray byte. */
const SEQUENCE =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;

const STRAY = 0xdc00;

/** Bytes → text. */
export function toText(bytes: string): string {
  if (ASCII.test(bytes)) return bytes;
  return bytes.replace(SEQUENCE, (sequence) =>
    sequence.length === 1
      ? String.fromCharCode(STRAY + sequence.charCodeAt(0))
      : Buffer.from(sequence, 'latin1').toString('utf8'),
  );
}

/** With the flag u a surrogate is matched only where it stands alone. */
const RUN = /[\udc80-\udcff]|[^\0-\x7f\udc80-\udcff]+/gu;

/** Text → bytes: the inverse of `toText`, and UTF-8 for the configuration's own text. */
export function toBytes(text: string): string {
  if (ASCII.test(text)) return text;
  return text.replace(RUN, (run) => {
    const isStray = run >= '\udc80' && run <= '\udcff';
    return isStray
      ? String.fromCharCode(run.charCodeAt(0) - STRAY)
      : Buffer.from(run, 'utf8').toString('latin1');
  });
}

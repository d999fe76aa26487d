// The order in which the provider's framework lists a set: by the text of each element's hash.
// Only requests show it (subnets joined by commas); the API does not care.

function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A set of strings in that order. */
export function inHashOrder(elements: readonly string[]): string[] {
  const code = (text: string) => String(crc32(`${text};`));
  return [...elements].sort((a, b) => (code(a) < code(b) ? -1 : 1));
}

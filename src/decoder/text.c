/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Repair of UTF-8.
 */
#include "decoder/text.h"

#include <stdbool.h>
#include <string.h>

static const char replacement[NPU_TEXT_MAX_GROWTH] = { '\xef', '\xbf', '\xbd' };

/* One character, or bytes that are none. */
typedef struct
{
  size_t size;
  bool valid;
} Piece;

/* The lowest and highest second byte that each first byte allows: shorter
 * forms, surrogates and what lies beyond U+10FFFF are no characters. */
static bool
second_byte_fits (uint8_t first, uint8_t second)
{
  uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

  return second >= low && second <= high;
}

static Piece
next_piece (const uint8_t * bytes, size_t size)
{
  size_t wanted, have = 1;

  if (bytes[0] < 0x80)
    return (Piece) { 1, true };
  if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
    return (Piece) { 1, false };
  wanted = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
  if (size > 1 && second_byte_fits (bytes[0], bytes[1])) {
    have = 2;
    while (have < wanted && have < size && (bytes[have] & 0xc0) == 0x80)
      have++;
  }
  return (Piece) { have, have == wanted };
}

/* U+0000 to U+001F, U+007F to U+009F. */
static bool
is_control (const uint8_t * bytes, size_t size)
{
  return size == 1 ? bytes[0] < 0x20 || bytes[0] == 0x7f :
      size == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0;
}

static size_t
trim (char *text, size_t size)
{
  size_t first = 0;

  while (size > 0 && text[size - 1] == ' ')
    size--;
  while (first < size && text[first] == ' ')
    first++;
  memmove (text, text + first, size - first);
  return size - first;
}

size_t
npu_text_clean (const uint8_t * bytes, size_t size, char *out)
{
  size_t written = 0;           /* up to the last character */
  size_t pending = 0;           /* replacements that a character must follow */

  while (size > 0) {
    Piece piece = next_piece (bytes, size);

    if (!piece.valid) {
      pending += written > 0;
    } else {
      for (; pending > 0; pending--, written += sizeof (replacement))
        memcpy (out + written, replacement, sizeof (replacement));
      if (is_control (bytes, piece.size)) {
        out[written++] = ' ';
      } else {
        memcpy (out + written, bytes, piece.size);
        written += piece.size;
      }
    }
    bytes += piece.size;
    size -= piece.size;
  }
  return trim (out, written);
}

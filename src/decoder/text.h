/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Text from the bytes of tokens: always valid UTF-8, without control
 * characters, trimmed. Pure logic; private to the core.
 */
#ifndef NPU_DECODER_TEXT_H
#define NPU_DECODER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* @size bytes become at most this many: a byte that is no character becomes
 * U+FFFD, which has 3. */
#define NPU_TEXT_MAX_GROWTH 3

/**
 * npu_text_clean:
 * Write @size bytes as text to @out, without a terminator.
 *
 * @out  room for NPU_TEXT_MAX_GROWTH * size bytes; not the input
 *
 * Bytes that are not UTF-8 are dropped before the first and after the last
 * character (the rest of one that was cut), and become U+FFFD between them,
 * one for each longest part of a character (Unicode 3.9). Control characters
 * become spaces, and spaces at both ends are removed. Returns the bytes
 * written.
 */
size_t npu_text_clean (const uint8_t * bytes, size_t size, char *out);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checks that the tests of vocabularies share; each ends the test on failure.
 */
#ifndef TESTS_UNIT_TOKENIZER_CHECKS_H
#define TESTS_UNIT_TOKENIZER_CHECKS_H

#include "model/tokenizer.h"
#include "model-writer.h"

#define COUNT(array) (sizeof (array) / sizeof ((array)[0]))

/* To be given back; the path must be that of a sound model. */
NpuModelFile *open_model (const char *path);
NpuTokenizer *open_tokenizer (const char *path);

void check_bytes (const NpuTokenizer * tokenizer, int32_t token,
    const char *text);
void check_suppressed (const NpuTokenizer * tokenizer,
    const int32_t * expected, size_t expected_count);
void check_begin_suppressed (const NpuTokenizer * tokenizer, int32_t first,
    int32_t second);

#endif

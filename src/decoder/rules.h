/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which tokens may come next, and which of them is taken: the rules of
 * Whisper's decoding with timestamps (decoding.py: SuppressTokens,
 * ApplyTimestampRules), greedy. SuppressBlank has no place here, since the
 * first token is always a timestamp. Pure logic over a bit set; private to the
 * core.
 *
 *  - The first token is a timestamp, at most @max_initial.
 *  - Timestamps come in pairs, an end and a start, except at the beginning and
 *    before the end of the text.
 *  - Timestamps never decrease, an end lies after its start, none lies beyond
 *    the window.
 *  - Where all allowed timestamps together are more probable than the best
 *    other token, the best timestamp is taken.
 */
#ifndef NPU_DECODER_RULES_H
#define NPU_DECODER_RULES_H

#include <stdbool.h>

#include "device/device.h"

#define NPU_RULES_NO_LIMIT UINT32_MAX

/* What the rules must know of a vocabulary: text tokens and others lie below
 * @first_timestamp. */
typedef struct
{
  uint32_t vocabulary;
  int32_t end_of_text;
  int32_t first_timestamp;
  uint32_t timestamp_count;
  uint32_t max_initial;         /* positions, or NPU_RULES_NO_LIMIT */
} NpuRulesConfig;

typedef struct
{
  NpuRulesConfig config;
  size_t words;                 /* of each bit set */
  size_t text_words;            /* words that hold bits below first_timestamp */
  uint32_t *never;              /* owned; tokens that are never allowed */
  uint32_t *suppressed;         /* owned; tokens that are not allowed now */
  bool text_allowed;            /* as @suppressed has it */
  bool end_allowed;
  /* what was taken since npu_rules_begin() */
  uint32_t limit;
  uint32_t count;
  bool last_is_timestamp;
  bool last_but_one_is_timestamp;
  uint32_t last_timestamp;
  bool any_timestamp;
} NpuRules;

/**
 * npu_rules_init:
 * Begin with no token forbidden for ever. Returns NPU_OK or NPU_ENOMEM; end
 * with npu_rules_clear().
 */
NpuStatus npu_rules_init (NpuRules * rules, const NpuRulesConfig * config,
    NpuError * error);
void npu_rules_clear (NpuRules * rules);

/**
 * npu_rules_forbid:
 * Never allow @token; before npu_rules_begin(). Tokens out of range and
 * end_of_text are ignored.
 */
void npu_rules_forbid (NpuRules * rules, int32_t token);

/**
 * npu_rules_begin:
 * Begin a window in which timestamps up to @limit positions are allowed.
 * Afterwards, and after each npu_rules_accept(), rules->suppressed says which
 * tokens are not allowed.
 */
void npu_rules_begin (NpuRules * rules, uint32_t limit);
void npu_rules_accept (NpuRules * rules, int32_t token);

/**
 * npu_rules_choose:
 * Returns the token to take given the @result of the vocabulary under
 * rules->suppressed, and in @log_probability the logarithm of its probability
 * among the allowed ones; end_of_text where nothing is left (or only NaN).
 */
int32_t npu_rules_choose (const NpuRules * rules,
    const NpuVocabularyResult * result, float *log_probability);

#endif

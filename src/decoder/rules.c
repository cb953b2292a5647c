/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rules as a bit set. Between two tokens only the timestamps' words are
 * written; those of the text only when text as a whole becomes allowed or
 * forbidden.
 */
#include "decoder/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 32u

static void
set_bit (uint32_t * bits, uint32_t bit)
{
  bits[bit / BITS] |= 1u << bit % BITS;
}

static void
clear_bit (uint32_t * bits, uint32_t bit)
{
  bits[bit / BITS] &= ~(1u << bit % BITS);
}

/* Bits @first ... @end - 1 of one word as a mask. */
static uint32_t
word_mask (size_t word, uint32_t first, uint32_t end)
{
  uint32_t base = (uint32_t) (word * BITS);
  uint32_t mask = ~0u;

  if (first > base)
    mask &= ~0u << (first - base);
  if (end < base + BITS)
    mask &= ~(~0u << (end - base));
  return mask;
}

static void
set_range (uint32_t * bits, uint32_t first, uint32_t end)
{
  for (size_t i = first / BITS; i * BITS < end; i++)
    bits[i] |= word_mask (i, first, end);
}

/* Allow a range but for what is never allowed. */
static void
allow_range (NpuRules * rules, uint32_t first, uint32_t end)
{
  for (size_t i = first / BITS; i * BITS < end; i++)
    rules->suppressed[i] &= ~word_mask (i, first, end) | rules->never[i];
}

NpuStatus
npu_rules_init (NpuRules * rules, const NpuRulesConfig * config,
    NpuError * error)
{
  memset (rules, 0, sizeof (*rules));
  rules->config = *config;
  rules->words = (config->vocabulary + BITS - 1) / BITS;
  rules->text_words = ((uint32_t) config->first_timestamp + BITS - 1) / BITS;
  rules->never = calloc (rules->words, sizeof (*rules->never));
  rules->suppressed = calloc (rules->words, sizeof (*rules->suppressed));
  if (!rules->never || !rules->suppressed) {
    npu_rules_clear (rules);
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a decoder");
  }
  return NPU_OK;
}

void
npu_rules_clear (NpuRules * rules)
{
  free (rules->never);
  free (rules->suppressed);
  rules->never = rules->suppressed = NULL;
}

void
npu_rules_forbid (NpuRules * rules, int32_t token)
{
  if (token >= 0 && (uint32_t) token < rules->config.vocabulary &&
      token != rules->config.end_of_text)
    set_bit (rules->never, (uint32_t) token);
}

static void
allow_text (NpuRules * rules, bool text, bool end)
{
  uint32_t first_timestamp = (uint32_t) rules->config.first_timestamp;

  if (text != rules->text_allowed) {
    set_range (rules->suppressed, 0, first_timestamp);
    if (text)
      allow_range (rules, 0, first_timestamp);
    rules->text_allowed = text;
  }
  if (end)
    clear_bit (rules->suppressed, (uint32_t) rules->config.end_of_text);
  else
    set_bit (rules->suppressed, (uint32_t) rules->config.end_of_text);
}

/* Allow timestamps @first ... @last, none where @first > @last. */
static void
allow_timestamps (NpuRules * rules, uint32_t first, uint32_t last)
{
  uint32_t base = (uint32_t) rules->config.first_timestamp;

  if (last > rules->limit)
    last = rules->limit;
  set_range (rules->suppressed, base, rules->config.vocabulary);
  if (first <= last)
    allow_range (rules, base + first, base + last + 1);
}

void
npu_rules_begin (NpuRules * rules, uint32_t limit)
{
  uint32_t highest = rules->config.timestamp_count - 1;

  rules->limit = limit < highest ? limit : highest;
  rules->count = 0;
  rules->any_timestamp = false;
  rules->last_timestamp = 0;
  rules->last_is_timestamp = rules->last_but_one_is_timestamp = false;
  /* Written whole once a window, whatever was there. */
  rules->text_allowed = true;
  allow_text (rules, false, false);
  allow_timestamps (rules, 0, rules->config.max_initial);
}

void
npu_rules_accept (NpuRules * rules, int32_t token)
{
  bool pair_is_open;
  uint32_t first;

  rules->last_but_one_is_timestamp =
      rules->count == 0 || rules->last_is_timestamp;
  rules->last_is_timestamp = token >= rules->config.first_timestamp;
  rules->count++;
  if (rules->last_is_timestamp) {
    rules->last_timestamp =
        (uint32_t) (token - rules->config.first_timestamp);
    rules->any_timestamp = true;
  }

  /* An end was given, its start must follow or nothing. */
  pair_is_open =
      rules->last_is_timestamp && !rules->last_but_one_is_timestamp;
  first = !rules->any_timestamp ? 0 :
      pair_is_open ? rules->last_timestamp : rules->last_timestamp + 1;
  allow_text (rules, !pair_is_open, true);
  if (rules->last_is_timestamp && rules->last_but_one_is_timestamp)
    allow_timestamps (rules, 1, 0);
  else
    allow_timestamps (rules, first, rules->limit);
}

/* log (exp (a) + exp (b)) */
static float
log_add (float a, float b)
{
  float high = fmaxf (a, b), low = fminf (a, b);

  return high == -INFINITY ? high : high + log1pf (expf (low - high));
}

int32_t
npu_rules_choose (const NpuRules * rules, const NpuVocabularyResult * result,
    float *log_probability)
{
  const NpuCandidate *text = &result->text.best[0];
  const NpuCandidate *timestamp = &result->timestamps.best[0];
  bool has_text = text->token >= 0 && !isnan (text->logit);
  bool has_timestamp = timestamp->token >= 0 && !isnan (timestamp->logit);

  if (has_timestamp &&
      (!has_text || result->timestamps.log_sum > text->logit)) {
    *log_probability = timestamp->logit - result->timestamps.log_sum;
    return timestamp->token;
  }
  if (has_text) {
    *log_probability = text->logit -
        log_add (result->text.log_sum, result->timestamps.log_sum);
    return text->token;
  }
  *log_probability = -INFINITY;
  return rules->config.end_of_text;
}

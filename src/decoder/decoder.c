/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One window: the prompt, then token after token by the rules, then segments
 * with their text. Memory is allocated when a decoder is created, none while it
 * decodes.
 */
#include "decoder/decoder.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "decoder/loop-guard.h"
#include "decoder/rules.h"
#include "decoder/segments.h"
#include "decoder/text-pass.h"
#include "decoder/text.h"

/* Whisper's max_initial_timestamp of 1 s, in positions. */
#define MAX_INITIAL_TIMESTAMP 50

/* start_of_transcript, language, task. */
#define MAX_PROMPT 3

/* Text of one window; more than that is cut off. */
#define MAX_TEXT_BYTES (1u << 20)

/* A window in which nothing but a loop was found is heard again as far as half
 * of it, half of that and so on, down to a second. */
#define SHORTEST_PART 50

/* How often a wait for the weights looks at npu_decoder_cancel(). */
#define LOAD_POLL_NS 20000000u

struct NpuDecoder
{
  NpuModel *model;
  const NpuTokenizer *tokenizer;
  NpuSpecialTokens special;
  NpuDecoderOptions options;    /* language is not kept */
  bool multilingual;
  /* The model was trained at shortened contexts, that is for windows that grow
   * and are cut anywhere: its first time may be anything, it leaves out words
   * that a window cuts, and where it hears nothing, it says so at once. */
  bool for_growing_windows;
  uint32_t fastest;             /* text tokens that are said in a second */
  int32_t given_language;       /* of the options, or NPU_TOKEN_NONE */
  int32_t language;             /* in use; NPU_TOKEN_NONE while unknown */
  atomic_bool canceled;

  NpuTextPass *pass;
  NpuRules rules;
  NpuLoopGuard guard;
  NpuVocabularyResult result;
  float *logits;                /* after start_of_transcript */

  uint32_t max_tokens;
  int32_t *tokens;              /* of the window, without the prompt */
  float *log_probabilities;     /* one for each */
  NpuTokenSegment *slices;
  NpuSegment *segments;
  uint8_t *bytes;               /* of one segment before repair */
  size_t byte_capacity;
  char *text;                   /* of all segments, each terminated */
  size_t text_capacity;
};

/* What decoding one window has found so far. */
typedef struct
{
  uint32_t count;               /* tokens, without the end of text */
  uint32_t text;                /* those that are no times */
  double log_sum;               /* logarithms of probabilities, with the end */
  bool looped;                  /* or at a limit without an end */
  bool unlikely;                /* no speech was the first choice */
  int32_t language;
} Hypothesis;

/* ------------------------------------------------------ creation and end */

static bool
is_english (const char *code)
{
  return strncasecmp (code, "en", 2) == 0 &&
      (code[2] == '\0' || code[2] == '-' || code[2] == '_');
}

static NpuStatus
refuse_language (const NpuDecoder * decoder, const char *language,
    NpuError * error)
{
  char known[NPU_ERROR_LENGTH - 128] = "";
  size_t length = 0;

  for (int32_t i = 0; i < decoder->special.language_count; i++) {
    const char *code = npu_tokenizer_language_code (decoder->tokenizer,
        decoder->special.first_language + i);

    if (code && length + strlen (code) + 2 < sizeof (known))
      length += (size_t) snprintf (known + length, sizeof (known) - length,
          " %s", code);
  }
  return npu_error_set (error, NPU_EINVAL, "The model does not know the "
      "language '%.16s': use one of auto%s", language, known);
}

static NpuStatus
choose_options (NpuDecoder * decoder, NpuError * error)
{
  const char *language = decoder->options.language;
  const char *path = npu_model_path (decoder->model);

  decoder->options.language = NULL;
  decoder->given_language = NPU_TOKEN_NONE;
  if (language && (!*language || strcasecmp (language, "auto") == 0))
    language = NULL;
  if (!decoder->multilingual) {
    if (decoder->options.task == NPU_TASK_TRANSLATE)
      return npu_error_set (error, NPU_EINVAL, "The model '%s' is for English "
          "only and cannot translate: use a multilingual one", path);
    if (language && !is_english (language))
      return npu_error_set (error, NPU_EINVAL, "The model '%s' is for English "
          "only, not for '%.16s': use a multilingual one", path, language);
    return NPU_OK;
  }
  if (decoder->options.task == NPU_TASK_TRANSLATE &&
      decoder->special.translate == NPU_TOKEN_NONE)
    return npu_error_set (error, NPU_EINVAL, "The model '%s' cannot "
        "translate: use another", path);
  if (language) {
    decoder->given_language =
        npu_tokenizer_language_token (decoder->tokenizer, language);
    if (decoder->given_language == NPU_TOKEN_NONE)
      return refuse_language (decoder, language, error);
  }
  return NPU_OK;
}

/* Tokens that are neither text nor times nor the end make no text, whatever a
 * file says about suppression. */
static NpuStatus
create_rules (NpuDecoder * decoder, NpuError * error)
{
  const NpuSpecialTokens *special = &decoder->special;
  int32_t vocabulary = npu_tokenizer_size (decoder->tokenizer);
  const NpuRulesConfig config = {
    .vocabulary = (uint32_t) vocabulary,
    .end_of_text = special->end_of_text,
    .first_timestamp = special->first_timestamp,
    .timestamp_count = (uint32_t) special->timestamp_count,
    .max_initial = decoder->for_growing_windows ?
        NPU_RULES_NO_LIMIT : MAX_INITIAL_TIMESTAMP,
  };
  const int32_t *suppressed;
  size_t count;
  NpuStatus status;

  if (special->timestamp_count < 1 ||
      special->first_timestamp <= special->end_of_text ||
      special->first_timestamp + special->timestamp_count > vocabulary)
    return npu_error_set (error, NPU_ENOTSUP, "The model '%s' has no timestamp "
        "tokens at the end of its vocabulary: use one with timestamps",
        npu_model_path (decoder->model));
  status = npu_rules_init (&decoder->rules, &config, error);
  if (status != NPU_OK)
    return status;
  for (int32_t token = 0; token < vocabulary; token++)
    if (!npu_tokenizer_is_text (decoder->tokenizer, token) &&
        !npu_tokenizer_is_timestamp (decoder->tokenizer, token))
      npu_rules_forbid (&decoder->rules, token);
  suppressed = npu_tokenizer_suppressed (decoder->tokenizer, &count);
  for (size_t i = 0; i < count; i++)
    npu_rules_forbid (&decoder->rules, suppressed[i]);
  return NPU_OK;
}

static size_t
longest_token (const NpuTokenizer * tokenizer)
{
  size_t longest = 1;

  for (int32_t token = 0; token < npu_tokenizer_size (tokenizer); token++) {
    size_t size;

    npu_tokenizer_bytes (tokenizer, token, &size);
    if (size > longest)
      longest = size;
  }
  return longest;
}

/* In a vocabulary of whole words a token takes longer to say. */
static uint32_t
fastest_speech (const NpuTokenizer * tokenizer)
{
  for (int32_t token = 0; token < npu_tokenizer_size (tokenizer); token++) {
    size_t size;
    const uint8_t *bytes = npu_tokenizer_bytes (tokenizer, token, &size);

    if (npu_tokenizer_is_text (tokenizer, token) && size > 0 &&
        bytes[0] != ' ')
      return NPU_SEGMENTS_TOKENS_A_SECOND;
  }
  return NPU_SEGMENTS_WORDS_A_SECOND;
}

static NpuStatus
allocate (NpuDecoder * decoder, NpuError * error)
{
  const NpuModelConfig *config = npu_model_config (decoder->model);
  size_t longest = longest_token (decoder->tokenizer);
  size_t count;

  if (config->text_context <= MAX_PROMPT)
    return npu_error_set (error, NPU_ENOTSUP, "The model '%s' has a text "
        "context of %u tokens, too few to decode",
        npu_model_path (decoder->model), config->text_context);
  decoder->max_tokens = config->text_context / 2;
  if (decoder->max_tokens > config->text_context - MAX_PROMPT)
    decoder->max_tokens = config->text_context - MAX_PROMPT;
  count = decoder->max_tokens;
  decoder->byte_capacity = longest < MAX_TEXT_BYTES / count ?
      count * longest : MAX_TEXT_BYTES;
  decoder->text_capacity =
      NPU_TEXT_MAX_GROWTH * decoder->byte_capacity + count;

  decoder->logits = calloc (config->vocabulary, sizeof (*decoder->logits));
  decoder->tokens = calloc (count, sizeof (*decoder->tokens));
  decoder->log_probabilities =
      calloc (count, sizeof (*decoder->log_probabilities));
  decoder->slices = calloc (count / 2 + 1, sizeof (*decoder->slices));
  decoder->segments = calloc (count / 2 + 1, sizeof (*decoder->segments));
  decoder->bytes = malloc (decoder->byte_capacity);
  decoder->text = malloc (decoder->text_capacity);
  if (!decoder->logits || !decoder->tokens || !decoder->log_probabilities ||
      !decoder->slices || !decoder->segments || !decoder->bytes ||
      !decoder->text)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a decoder");
  return NPU_OK;
}

NpuStatus
npu_decoder_create (NpuModel * model, const NpuDecoderOptions * options,
    NpuDecoder ** decoder, NpuError * error)
{
  static const NpuDecoderOptions defaults = NPU_DECODER_OPTIONS_DEFAULT;
  NpuDecoder *self;
  NpuStatus status;

  if (!model || !decoder)
    return npu_error_set (error, NPU_EINVAL, "A decoder needs a model");
  self = calloc (1, sizeof (*self));
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a decoder");
  self->model = npu_model_ref (model);
  self->tokenizer = npu_model_tokenizer (model);
  self->special = *npu_tokenizer_special (self->tokenizer);
  self->options = options ? *options : defaults;
  self->multilingual = npu_tokenizer_multilingual (self->tokenizer);
  self->for_growing_windows = npu_model_config (model)->heard_context;
  self->fastest = fastest_speech (self->tokenizer);

  status = choose_options (self, error);
  if (status == NPU_OK)
    status = create_rules (self, error);
  if (status == NPU_OK)
    status = allocate (self, error);
  if (status == NPU_OK)
    status = npu_text_pass_create (model,
        (uint32_t) self->special.first_timestamp, &self->pass, error);
  if (status != NPU_OK) {
    npu_decoder_free (self);
    return status;
  }
  npu_decoder_reset (self);
  *decoder = self;
  return NPU_OK;
}

void
npu_decoder_free (NpuDecoder * decoder)
{
  if (!decoder)
    return;
  npu_text_pass_free (decoder->pass);
  npu_rules_clear (&decoder->rules);
  free (decoder->logits);
  free (decoder->tokens);
  free (decoder->log_probabilities);
  free (decoder->slices);
  free (decoder->segments);
  free (decoder->bytes);
  free (decoder->text);
  npu_model_unref (decoder->model);
  free (decoder);
}

void
npu_decoder_reset (NpuDecoder * decoder)
{
  decoder->language = decoder->given_language;
}

void
npu_decoder_cancel (NpuDecoder * decoder, bool cancel)
{
  atomic_store (&decoder->canceled, cancel);
}

/* ------------------------------------------------------------- one window */

static NpuStatus
check_canceled (const NpuDecoder * decoder, NpuError * error)
{
  if (atomic_load (&decoder->canceled))
    return npu_error_set (error, NPU_ECANCELED, "Decoding was cancelled");
  return NPU_OK;
}

static NpuStatus
wait_for_weights (NpuDecoder * decoder, NpuError * error)
{
  NpuStatus status;

  do {
    status = check_canceled (decoder, error);
    if (status == NPU_OK)
      status = npu_model_wait (decoder->model, NPU_MODEL_DECODER,
          LOAD_POLL_NS, error);
  } while (status == NPU_ETIMEDOUT);
  return status;
}

static NpuStatus
append (NpuDecoder * decoder, const int32_t * tokens, uint32_t count,
    float *logits, NpuError * error)
{
  const NpuTextStep step = {
    .tokens = tokens,
    .count = count,
    .suppressed = decoder->rules.suppressed,
    .logits = logits,
    .result = &decoder->result,
  };
  NpuStatus status = check_canceled (decoder, error);

  return status == NPU_OK ?
      npu_text_pass_append (decoder->pass, &step, error) : status;
}

static int32_t
most_probable (const float *logits, int32_t first, int32_t count)
{
  int32_t best = first;

  for (int32_t i = 1; i < count; i++)
    if (logits[first + i] > logits[best])
      best = first + i;
  return best;
}

/* The probability of @token among all; 0 where it cannot be told. */
static float
probability (const float *logits, int32_t count, int32_t token)
{
  float highest = logits[most_probable (logits, 0, count)];
  double sum = 0;

  if (token < 0 || token >= count)
    return 0;
  for (int32_t i = 0; i < count; i++)
    sum += exp ((double) logits[i] - highest);
  sum = exp ((double) logits[token] - highest) / sum;
  return isfinite (sum) ? (float) sum : 0;
}

/* Run the prompt. @nothing says that the model hears no speech, and nothing
 * more needs to be decoded. */
static NpuStatus
run_prompt (NpuDecoder * decoder, Hypothesis * hypothesis,
    NpuTranscript * transcript, bool *nothing, NpuError * error)
{
  const NpuSpecialTokens *special = &decoder->special;
  int32_t vocabulary = npu_tokenizer_size (decoder->tokenizer);
  NpuStatus status = append (decoder, &special->start_of_transcript, 1,
      decoder->logits, error);
  int32_t prompt[MAX_PROMPT - 1];
  uint32_t count = 0;

  if (status != NPU_OK)
    return status;
  transcript->no_speech_probability =
      probability (decoder->logits, vocabulary, special->no_speech);
  *nothing = decoder->for_growing_windows &&
      transcript->no_speech_probability > decoder->options.no_speech_threshold;
  hypothesis->unlikely = transcript->no_speech_probability >
      decoder->options.no_speech_threshold || (decoder->for_growing_windows &&
      most_probable (decoder->logits, 0, vocabulary) == special->no_speech);
  if (*nothing || !decoder->multilingual)
    return NPU_OK;

  hypothesis->language = decoder->language;
  if (hypothesis->language == NPU_TOKEN_NONE && special->language_count > 0)
    hypothesis->language = most_probable (decoder->logits,
        special->first_language, special->language_count);
  if (hypothesis->language != NPU_TOKEN_NONE)
    prompt[count++] = hypothesis->language;
  if (decoder->options.task == NPU_TASK_TRANSLATE)
    prompt[count++] = special->translate;
  else if (special->transcribe != NPU_TOKEN_NONE)
    prompt[count++] = special->transcribe;
  return count ? append (decoder, prompt, count, NULL, error) : NPU_OK;
}

/* Whether @token, the newest, is one too many: it repeats what came before, or
 * nobody could have said so much in the time that was heard. */
static bool
is_loop (NpuDecoder * decoder, Hypothesis * hypothesis, int32_t token,
    uint32_t heard)
{
  hypothesis->text += token < decoder->special.first_timestamp;
  return npu_loop_guard_accept (&decoder->guard, token) ||
      hypothesis->text > npu_segments_most (heard, decoder->fastest) ||
      hypothesis->count == decoder->max_tokens;
}

/* Take tokens until the end of text, the limit, or a loop. */
static NpuStatus
run_tokens (NpuDecoder * decoder, uint32_t heard, Hypothesis * hypothesis,
    NpuError * error)
{
  NpuStatus status = NPU_OK;

  npu_loop_guard_begin (&decoder->guard);
  while (status == NPU_OK && !hypothesis->looped) {
    float log_probability;
    int32_t token = npu_rules_choose (&decoder->rules, &decoder->result,
        &log_probability);

    hypothesis->log_sum += log_probability;
    if (token == decoder->special.end_of_text)
      break;
    decoder->tokens[hypothesis->count] = token;
    decoder->log_probabilities[hypothesis->count] = log_probability;
    hypothesis->count++;
    hypothesis->looped = is_loop (decoder, hypothesis, token, heard);
    if (hypothesis->looped)
      break;
    npu_rules_accept (&decoder->rules, token);
    status = append (decoder, &token, 1, NULL, error);
  }
  return status;
}

/* Returns the text's length without the terminator; 0 if nothing is left. */
static size_t
make_text (NpuDecoder * decoder, const NpuTokenSegment * slice, char *text,
    size_t room)
{
  size_t limit = (room - 1) / NPU_TEXT_MAX_GROWTH;
  size_t size = 0, length;

  if (limit > decoder->byte_capacity)
    limit = decoder->byte_capacity;
  for (uint32_t i = 0; i < slice->token_count; i++) {
    size_t more;
    const uint8_t *bytes = npu_tokenizer_bytes (decoder->tokenizer,
        decoder->tokens[slice->first_token + i], &more);

    if (more > limit - size)
      more = limit - size;
    if (more > 0)
      memcpy (decoder->bytes + size, bytes, more);
    size += more;
  }
  length = npu_text_clean (decoder->bytes, size, text);
  text[length] = '\0';
  return length;
}

static float
mean_log_probability (const NpuDecoder * decoder,
    const NpuTokenSegment * slice)
{
  double sum = 0;

  for (uint32_t i = 0; i < slice->token_count; i++)
    sum += decoder->log_probabilities[slice->first_token + i];
  return (float) (sum / slice->token_count);
}

static void
make_segments (NpuDecoder * decoder, const NpuSegmentsOutput * slices,
    NpuTranscript * transcript)
{
  size_t used = 0;

  for (uint32_t i = 0; i < slices->count; i++) {
    const NpuTokenSegment *slice = &slices->segments[i];
    char *text = decoder->text + used;
    size_t length;

    if (used == decoder->text_capacity)
      break;
    length = make_text (decoder, slice, text, decoder->text_capacity - used);
    if (length == 0)
      continue;
    used += length + 1;
    decoder->segments[transcript->count++] = (NpuSegment) {
      .start = slice->start,
      .end = slice->end,
      .text = text,
      .log_probability = mean_log_probability (decoder, slice),
    };
  }
}

static const char *
language_code (const NpuDecoder * decoder, int32_t language)
{
  const char *code = NULL;

  if (!decoder->multilingual)
    return "en";
  if (language != NPU_TOKEN_NONE)
    code = npu_tokenizer_language_code (decoder->tokenizer, language);
  return code ? code : "und";
}

/* Returns whether nothing but doubtful text was found, and a shorter part of
 * the window may give more. */
static bool
finish (NpuDecoder * decoder, const NpuDecoderWindow * window,
    const Hypothesis * hypothesis, NpuTranscript * transcript)
{
  const NpuSegmentsInput input = {
    .tokens = decoder->tokens,
    .count = hypothesis->count,
    .first_timestamp = decoder->special.first_timestamp,
    .valid = window->valid,
    .full = window->full || window->final,
    .final = window->final,
    .looped = hypothesis->looped,
    .fastest = decoder->fastest,
    .leaves_cut_words = decoder->for_growing_windows,
    .short_silences = decoder->for_growing_windows,
  };
  NpuSegmentsOutput slices = { .segments = decoder->slices };

  transcript->tokens += hypothesis->count;
  transcript->log_probability =
      (float) (hypothesis->log_sum / (hypothesis->count + 1));
  transcript->language = language_code (decoder, hypothesis->language);
  if (transcript->no_speech ||
      (hypothesis->unlikely && transcript->log_probability <
          decoder->options.log_probability_threshold)) {
    transcript->no_speech = true;
    transcript->next = npu_segments_nothing (&input);
    return false;
  }
  npu_segments_parse (&input, &slices);
  make_segments (decoder, &slices, transcript);
  transcript->next = slices.next;
  transcript->looped = transcript->looped || slices.doubtful || slices.looped;
  if (transcript->count > 0 && decoder->language == NPU_TOKEN_NONE)
    decoder->language = hypothesis->language;
  return input.full && slices.doubtful && transcript->count == 0;
}

static NpuStatus
check_window (const NpuDecoder * decoder, const NpuDecoderWindow * window,
    NpuError * error)
{
  uint32_t context = npu_model_config (decoder->model)->audio_context;

  if (window->silent || (window->states && window->positions > 0 &&
          window->positions <= context && window->valid <= window->positions))
    return NPU_OK;
  return npu_error_set (error, NPU_EINVAL, "A window of %u positions, %u of "
      "them heard, is not one of this model, whose context is %u",
      window->positions, window->valid, context);
}

/* Decode @window; @again says that a shorter part of it may give more. */
static NpuStatus
decode_part (NpuDecoder * decoder, const NpuDecoderWindow * window,
    NpuTranscript * transcript, bool *again, NpuError * error)
{
  Hypothesis hypothesis = { .language = decoder->language };
  bool nothing = false;
  NpuStatus status = npu_text_pass_listen (decoder->pass, window->states,
      window->positions, error);

  if (status != NPU_OK)
    return status;
  npu_rules_begin (&decoder->rules, window->valid);
  status = run_prompt (decoder, &hypothesis, transcript, &nothing, error);
  if (status == NPU_OK && !nothing)
    status = run_tokens (decoder, window->valid, &hypothesis, error);
  if (status != NPU_OK)
    return status;
  transcript->no_speech = nothing;
  *again = finish (decoder, window, &hypothesis, transcript);
  return NPU_OK;
}

NpuStatus
npu_decoder_decode (NpuDecoder * decoder, const NpuDecoderWindow * window,
    NpuTranscript * transcript, NpuError * error)
{
  NpuDecoderWindow part = *window;
  NpuStatus status = check_window (decoder, window, error);
  bool again = true;

  *transcript = (NpuTranscript) { .segments = decoder->segments };
  if (status == NPU_OK)
    status = check_canceled (decoder, error);
  if (status != NPU_OK)
    return status;
  if (window->silent || window->valid == 0) {
    /* No word begins in digital silence: all of it is done, full or not. */
    transcript->no_speech = true;
    transcript->no_speech_probability = 1;
    transcript->next = window->valid;
    transcript->language = language_code (decoder, decoder->language);
    return NPU_OK;
  }

  status = wait_for_weights (decoder, error);
  if (status == NPU_OK)
    status = decode_part (decoder, &part, transcript, &again, error);
  while (status == NPU_OK && again && part.valid / 2 >= SHORTEST_PART) {
    part.valid /= 2;
    part.positions = part.valid;
    part.final = false;
    status = decode_part (decoder, &part, transcript, &again, error);
  }
  return status;
}

NpuStatus
npu_decoder_logits (NpuDecoder * decoder, const NpuDecoderWindow * window,
    const int32_t * tokens, uint32_t count, float *logits, NpuError * error)
{
  size_t vocabulary = npu_model_config (decoder->model)->vocabulary;
  NpuStatus status = check_window (decoder, window, error);

  if (status == NPU_OK)
    status = wait_for_weights (decoder, error);
  if (status == NPU_OK)
    status = npu_text_pass_listen (decoder->pass, window->states,
        window->positions, error);
  npu_rules_begin (&decoder->rules, window->valid);
  for (uint32_t i = 0; i < count && status == NPU_OK; i++)
    status = append (decoder, &tokens[i], 1, logits + i * vocabulary, error);
  return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Slicing of a window's tokens.
 */
#include "decoder/segments.h"

#include <string.h>

/* A start with nothing after it must lie at valid / this or later. */
#define CUT_START_SHARE 20
#define POSITIONS_A_SECOND 50
/* The overlap of windows without text is at most valid / this. */
#define OVERLAP_SHARE 4

/* What follows the segments that have an end. */
typedef enum
{
  TAIL_NOTHING,
  TAIL_START,                   /* a start without text */
  TAIL_TEXT,                    /* text without an end */
  TAIL_DOUBT,                   /* something that nobody said */
} TailKind;

typedef struct
{
  TailKind kind;
  NpuTokenSegment segment;
} Tail;

typedef struct
{
  const NpuSegmentsInput *input;
  uint32_t place;
} Reader;

static uint32_t
least (uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

static uint32_t
greatest (uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

static bool
at_time (const Reader * reader)
{
  return reader->place < reader->input->count &&
      reader->input->tokens[reader->place] >= reader->input->first_timestamp;
}

static uint32_t
read_time (Reader * reader)
{
  int32_t token = reader->input->tokens[reader->place++];

  return least ((uint32_t) (token - reader->input->first_timestamp),
      reader->input->valid);
}

/* Find the segments with an end, and what comes after them. */
static void
slice (const NpuSegmentsInput * input, NpuSegmentsOutput * output,
    Tail * tail)
{
  Reader reader = { input, 0 };
  uint32_t heard = 0;           /* end of the last segment */

  output->count = 0;
  tail->kind = TAIL_NOTHING;
  while (reader.place < input->count) {
    NpuTokenSegment segment = { .start = heard };

    if (at_time (&reader))
      segment.start = greatest (read_time (&reader), heard);
    segment.first_token = reader.place;
    while (reader.place < input->count && !at_time (&reader))
      reader.place++;
    segment.token_count = reader.place - segment.first_token;
    if (reader.place == input->count) {
      tail->kind = segment.token_count ? TAIL_TEXT : TAIL_START;
      tail->segment = segment;
    } else if (segment.token_count) {
      segment.end = read_time (&reader);
      heard = greatest (heard, segment.end);
      /* The rules give every segment a length; a time that was clamped to the
       * window may take it away. */
      if (segment.end > segment.start)
        output->segments[output->count++] = segment;
    }
  }
}

uint32_t
npu_segments_most (uint32_t positions, uint32_t fastest)
{
  return NPU_SEGMENTS_BURST +
      (uint32_t) ((uint64_t) positions * fastest / POSITIONS_A_SECOND);
}

/* Keep the segments before the first that holds more text than can be said in
 * its time. What follows it, or a loop, is doubtful and left out as well. */
static void
stop_at_doubt (const NpuSegmentsInput * input, NpuSegmentsOutput * output,
    Tail * tail)
{
  output->doubtful = input->looped;
  for (uint32_t i = 0; i < output->count; i++) {
    const NpuTokenSegment *segment = &output->segments[i];

    if (segment->token_count > npu_segments_most (segment->end -
            segment->start, input->fastest)) {
      output->count = i;
      output->doubtful = true;
    }
  }
  if (output->doubtful)
    tail->kind = TAIL_DOUBT;
}

static bool
same_text (const NpuSegmentsInput * input, const NpuTokenSegment * a,
    const NpuTokenSegment * b)
{
  return a->token_count == b->token_count &&
      memcmp (input->tokens + a->first_token, input->tokens + b->first_token,
      a->token_count * sizeof (*input->tokens)) == 0;
}

/* Keep the first of NPU_SEGMENTS_LOOP or more segments of the same text. */
static void
cut_loops (const NpuSegmentsInput * input, NpuSegmentsOutput * output)
{
  uint32_t kept = 0;

  for (uint32_t i = 0, end; i < output->count; i = end) {
    end = i + 1;
    while (end < output->count &&
        same_text (input, &output->segments[i], &output->segments[end]))
      end++;
    if (end - i >= NPU_SEGMENTS_LOOP) {
      output->segments[kept++] = output->segments[i];
      output->looped = true;
    } else {
      memmove (&output->segments[kept], &output->segments[i],
          (end - i) * sizeof (*output->segments));
      kept += end - i;
    }
  }
  output->count = kept;
}

/* The window goes on behind @heard with a silence of @length, as far as its
 * model can tell, which does not hear behind one that is so long. */
static bool
is_too_long (const NpuSegmentsInput * input, uint32_t length)
{
  return input->short_silences && length > NPU_SEGMENTS_SILENCE;
}

uint32_t
npu_segments_nothing (const NpuSegmentsInput * input)
{
  if (!input->full)
    return 0;
  if (is_too_long (input, input->valid))
    return NPU_SEGMENTS_STEP;
  if (input->final)
    return input->valid;
  return input->valid -
      least (NPU_SEGMENTS_OVERLAP, input->valid / OVERLAP_SHARE);
}

/* The window gives out @segment, which has no end of its own. */
static void
give_to_the_end (const NpuSegmentsInput * input, NpuSegmentsOutput * output,
    const NpuTokenSegment * segment)
{
  if (input->valid == 0)
    return;
  output->segments[output->count] = *segment;
  output->segments[output->count].end = input->valid;
  if (segment->start >= input->valid)
    output->segments[output->count].start = input->valid - 1;
  /* Times at the window's very end leave no room for another segment. */
  if (output->count > 0 && output->segments[output->count].start <
      output->segments[output->count - 1].end)
    return;
  output->count++;
}

/* Where the next window starts so that it has all of the text that begins at
 * about @start and that this window's end cut. */
static uint32_t
before_cut_text (const NpuSegmentsInput * input, uint32_t heard,
    uint32_t start)
{
  uint32_t least_step = greatest (input->valid / CUT_START_SHARE, 1);

  if (heard > 0)
    return greatest (heard, start - least (NPU_SEGMENTS_OVERLAP, start));
  if (start < least_step)
    return npu_segments_nothing (input);
  return greatest ((least_step + 1) / 2,
      start - least (NPU_SEGMENTS_MARGIN, start));
}

/* Keep the segments before the first silence that is too long for the model;
 * what it wrote behind that is heard again in a window that starts later.
 *
 * Returns whether there is such a silence. */
static bool
stop_at_silence (const NpuSegmentsInput * input, NpuSegmentsOutput * output,
    const Tail * tail)
{
  uint32_t heard = 0;

  for (uint32_t i = 0; i < output->count; i++) {
    if (is_too_long (input, output->segments[i].start - heard)) {
      output->count = i;
      return true;
    }
    heard = output->segments[i].end;
  }
  if (tail->kind == TAIL_DOUBT)
    return false;
  return is_too_long (input, (tail->kind == TAIL_NOTHING ? input->valid :
          greatest (tail->segment.start, heard)) - heard);
}

static void
finish_full (const NpuSegmentsInput * input, NpuSegmentsOutput * output,
    const Tail * tail)
{
  bool silence = stop_at_silence (input, output, tail);
  uint32_t heard = output->count ?
      output->segments[output->count - 1].end : 0;
  uint32_t rest = input->valid - heard;

  if (silence) {
    output->next = heard > 0 ? heard : npu_segments_nothing (input);
    return;
  }
  switch (tail->kind) {
    case TAIL_TEXT:
      if (heard == 0 || (input->final && rest < NPU_SEGMENTS_REST)) {
        give_to_the_end (input, output, &tail->segment);
        output->next = input->valid;
      } else {
        output->next = heard;
      }
      break;
    case TAIL_START:
      output->next = before_cut_text (input, heard, tail->segment.start);
      break;
    case TAIL_NOTHING:
      if (heard == 0)
        output->next = npu_segments_nothing (input);
      else if (input->leaves_cut_words && !input->final)
        output->next = greatest (heard,
            input->valid - least (NPU_SEGMENTS_OVERLAP, input->valid));
      else
        output->next = input->valid;
      break;
    case TAIL_DOUBT:
      output->next = heard > 0 ? heard : input->valid;
      break;
  }
}

static void
finish_growing (const NpuSegmentsInput * input, NpuSegmentsOutput * output,
    const Tail * tail)
{
  bool silence = stop_at_silence (input, output, tail);
  uint32_t settled = output->count;

  if (settled > 0 && !silence && tail->kind == TAIL_NOTHING &&
      output->segments[settled - 1].end + NPU_SEGMENTS_SETTLED > input->valid)
    settled--;
  output->count = settled;
  output->next = settled ? output->segments[settled - 1].end : 0;
}

void
npu_segments_parse (const NpuSegmentsInput * input,
    NpuSegmentsOutput * output)
{
  Tail tail;

  output->looped = false;
  slice (input, output, &tail);
  stop_at_doubt (input, output, &tail);
  if (input->full)
    finish_full (input, output, &tail);
  else
    finish_growing (input, output, &tail);
  cut_loops (input, output);
  if (input->full && output->next == 0)
    output->next = input->valid;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads a timeline's file. A file of text may ask for a hundred times its size
 * in memory once it is parsed, so that is limited.
 */
#include "trace.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

/* 500 000 spans, and what they take when parsed. */
#define BYTES_MOST (64 << 20)
#define MEMORY_MOST ((size_t) 1 << 30)
/* Times in microseconds beyond this (300 years) are nonsense. */
#define TIME_MOST 1e16
#define US_PER_SECOND 1e6

/* -------------------------------------------------------------- memory */

static size_t memory_used;
static bool memory_refused;

static void *
take_memory (size_t size)
{
  void *memory;

  if (size > MEMORY_MOST - memory_used) {
    memory_refused = true;
    return NULL;
  }
  memory = malloc (size);
  if (memory)
    memory_used += malloc_usable_size (memory);
  if (memory_used > MEMORY_MOST)
    memory_used = MEMORY_MOST;
  return memory;
}

static void
give_memory (void *memory)
{
  size_t size = malloc_usable_size (memory);

  memory_used = memory_used > size ? memory_used - size : 0;
  free (memory);
}

/* -------------------------------------------------------------- events */

/* Which lane each thread's number is; numbers beyond are nobody's. */
#define THREADS 64

typedef struct
{
  const char *path;
  NpuError *error;
  int lanes[THREADS];           /* -1: none of ours */
} Reader;

static NpuStatus
malformed (const Reader * reader, size_t event, const char *what)
{
  return npu_error_set (reader->error, NPU_EFORMAT,
      "%s is no timeline: event %zu %s; record it again with GST_NPU_TIMELINE",
      reader->path, event, what);
}

/* The thread's number when it can be a lane, else -1. */
static int
thread_of (const json_t * event)
{
  const json_t *thread = json_object_get (event, "tid");
  json_int_t number = json_integer_value (thread);

  return json_is_integer (thread) && number >= 0 && number < THREADS ?
      (int) number : -1;
}

static bool
is_phase (const json_t * event, const char *phase)
{
  const char *text = json_string_value (json_object_get (event, "ph"));

  return text && strcmp (text, phase) == 0;
}

static void
read_lanes (Reader * reader, const json_t * events)
{
  const json_t *event;
  size_t i;

  for (i = 0; i < THREADS; i++)
    reader->lanes[i] = -1;
  json_array_foreach (events, i, event) {
    const char *kind = json_string_value (json_object_get (event, "name"));
    const char *name = json_string_value (json_object_get (json_object_get
            (event, "args"), "name"));
    int thread = thread_of (event);

    if (!is_phase (event, "M") || !kind || !name || thread < 0 ||
        strcmp (kind, "thread_name") != 0)
      continue;
    for (int lane = 0; lane < NPU_LANES; lane++)
      if (strcmp (name, npu_lane_name ((NpuLane) lane)) == 0)
        reader->lanes[thread] = lane;
  }
}

/* Microseconds. */
static bool
read_time (const json_t * event, const char *key, double *time)
{
  const json_t *number = json_object_get (event, key);

  *time = json_number_value (number);
  return json_is_number (number) && *time >= 0 && *time < TIME_MOST;
}

/* Sets start and end in microseconds. */
static NpuStatus
read_span (const Reader * reader, const json_t * event, size_t i,
    BenchSpan * span)
{
  const json_t *id = json_object_get (json_object_get (event, "args"), "id");

  if (!read_time (event, "ts", &span->start))
    return malformed (reader, i, "has no sensible time (ts)");
  if (!read_time (event, "dur", &span->end))
    return malformed (reader, i, "has no sensible duration (dur)");
  span->end += span->start;
  if (!json_is_integer (id) || json_integer_value (id) < 0)
    return malformed (reader, i, "has no window or frame (args.id)");
  span->id = (uint64_t) json_integer_value (id);
  return NPU_OK;
}

static NpuStatus
read_spans (const Reader * reader, const json_t * events, BenchTrace * trace)
{
  const json_t *event;
  size_t i;

  trace->spans = calloc (json_array_size (events) + 1, sizeof (BenchSpan));
  if (!trace->spans)
    return npu_error_set (reader->error, NPU_ENOMEM,
        "Out of memory for the spans of %s", reader->path);
  json_array_foreach (events, i, event) {
    int thread = thread_of (event);
    BenchSpan span;
    NpuStatus status;

    if (!json_is_object (event))
      return malformed (reader, i, "is no object");
    if (!is_phase (event, "X") || thread < 0 || reader->lanes[thread] < 0)
      continue;
    span.lane = (NpuLane) reader->lanes[thread];
    status = read_span (reader, event, i, &span);
    if (status != NPU_OK)
      return status;
    trace->spans[trace->count++] = span;
  }
  if (trace->count == 0)
    return npu_error_set (reader->error, NPU_EFORMAT,
        "%s has no span of any stage; record one with GST_NPU_TIMELINE",
        reader->path);
  return NPU_OK;
}

static int
compare_spans (const void *a, const void *b)
{
  const BenchSpan *left = a, *right = b;

  if (left->lane != right->lane)
    return left->lane < right->lane ? -1 : 1;
  if (left->start != right->start)
    return left->start < right->start ? -1 : 1;
  return (left->id > right->id) - (left->id < right->id);
}

/* From microseconds on some clock to seconds after the first span. */
static void
set_origin (BenchTrace * trace)
{
  double origin = trace->spans[0].start;

  for (size_t i = 1; i < trace->count; i++)
    origin = fmin (origin, trace->spans[i].start);
  for (size_t i = 0; i < trace->count; i++) {
    BenchSpan *span = &trace->spans[i];

    span->start = (span->start - origin) / US_PER_SECOND;
    span->end = (span->end - origin) / US_PER_SECOND;
    trace->end = fmax (trace->end, span->end);
  }
  qsort (trace->spans, trace->count, sizeof (*trace->spans), compare_spans);
}

/* --------------------------------------------------------------- file */

/* Cut between two characters, where it is too long. */
static void
copy_fact (const json_t * facts, const char *key, char *fact)
{
  const char *text = json_string_value (json_object_get (facts, key));
  size_t length = text ? strlen (text) : 0;

  if (length >= BENCH_TRACE_FACT) {
    length = BENCH_TRACE_FACT - 1;
    while (length > 0 && ((unsigned char) text[length] & 0xc0) == 0x80)
      length--;
  }
  if (length > 0)
    memcpy (fact, text, length);
  fact[length] = '\0';
}

static void
read_facts (const json_t * root, BenchTrace * trace)
{
  const json_t *facts = json_object_get (root, "otherData");
  const json_t *emulated = json_object_get (facts, "emulated");
  const char *text = json_string_value (emulated);
  json_int_t dropped = json_integer_value (json_object_get (facts, "dropped"));

  copy_fact (facts, "device", trace->device);
  copy_fact (facts, "model", trace->model);
  copy_fact (facts, "clock", trace->clock);
  trace->emulated = json_is_true (emulated) ||
      (text && strcmp (text, "true") == 0);
  trace->dropped = dropped > 0 ? (uint64_t) dropped : 0;
}

static NpuStatus
read_root (const char *path, const json_t * root, BenchTrace * trace,
    NpuError * error)
{
  Reader reader = {.path = path,.error = error };
  const json_t *events = json_object_get (root, "traceEvents");
  NpuStatus status;

  if (!json_is_array (events))
    return npu_error_set (error, NPU_EFORMAT,
        "%s is no timeline: there is no list traceEvents in it", path);
  read_lanes (&reader, events);
  status = read_spans (&reader, events, trace);
  if (status != NPU_OK)
    return status;
  set_origin (trace);
  read_facts (root, trace);
  return NPU_OK;
}

static NpuStatus
parse (FILE * file, const char *path, BenchTrace * trace, NpuError * error)
{
  json_error_t reason = { 0 };
  NpuStatus status;
  json_t *root;

  memory_used = 0;
  memory_refused = false;
  json_set_alloc_funcs (take_memory, give_memory);
  root = json_loadf (file, 0, &reason);
  if (root)
    status = read_root (path, root, trace, error);
  else if (memory_refused)
    status = npu_error_set (error, NPU_ENOMEM, "%s needs more than %zu MiB "
        "when it is read; record a shorter run", path, MEMORY_MOST >> 20);
  else
    status = npu_error_set (error, NPU_EFORMAT,
        "%s is no timeline: line %d: %s", path, reason.line, reason.text);
  json_decref (root);
  json_set_alloc_funcs (malloc, free);
  return status;
}

NpuStatus
bench_trace_read (const char *path, BenchTrace * trace, NpuError * error)
{
  FILE *file = fopen (path, "re");
  struct stat info;
  NpuStatus status;

  memset (trace, 0, sizeof (*trace));
  if (!file || fstat (fileno (file), &info) != 0)
    status = npu_error_set (error, NPU_EIO, "%s cannot be read: %s", path,
        strerror (errno));
  else if (!S_ISREG (info.st_mode))
    status = npu_error_set (error, NPU_EIO, "%s is not a file", path);
  else if (info.st_size > BYTES_MOST)
    status = npu_error_set (error, NPU_EFORMAT, "%s has more than %d MiB; "
        "record a shorter run", path, BYTES_MOST >> 20);
  else
    status = parse (file, path, trace, error);
  if (file)
    fclose (file);
  if (status != NPU_OK)
    bench_trace_clear (trace);
  return status;
}

void
bench_trace_clear (BenchTrace * trace)
{
  free (trace->spans);
  memset (trace, 0, sizeof (*trace));
}

/* ------------------------------------------------------------ figures */

typedef struct
{
  double start, end;
} Interval;

static int
compare_ids (const void *a, const void *b)
{
  uint64_t left = *(const uint64_t *) a, right = *(const uint64_t *) b;

  return (left > right) - (left < right);
}

/* Joins the runs that overlap or touch: spans of a lane are in order. Returns
 * how many intervals that makes. */
static size_t
join_runs (const BenchTrace * trace, Interval * busy)
{
  size_t count = 0;

  for (size_t i = 0; i < trace->count; i++) {
    const BenchSpan *span = &trace->spans[i];

    if (span->lane != NPU_LANE_RUN)
      continue;
    if (count > 0 && span->start <= busy[count - 1].end)
      busy[count - 1].end = fmax (busy[count - 1].end, span->end);
    else
      busy[count++] = (Interval) {
      span->start, span->end};
  }
  return count;
}

/* How long @span overlaps with the intervals, which are in order. */
static double
overlap (const BenchSpan * span, const Interval * busy, size_t count)
{
  size_t low = 0, high = count;
  double sum = 0;

  while (low < high) {
    size_t middle = low + (high - low) / 2;

    if (busy[middle].end <= span->start)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < count && busy[low].start < span->end; low++)
    sum += fmin (busy[low].end, span->end) - fmax (busy[low].start,
        span->start);
  return sum;
}

static size_t
unique (uint64_t * ids, size_t count)
{
  size_t kept = 0;

  qsort (ids, count, sizeof (*ids), compare_ids);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || ids[kept - 1] != ids[i])
      ids[kept++] = ids[i];
  return kept;
}

static BenchTraceFigures
sum_up (const BenchTrace * trace, double from, double to, uint64_t * ids,
    Interval * busy)
{
  BenchTraceFigures figures = { 0 };
  size_t runs = 0, intervals = join_runs (trace, busy);
  double run = 0, transfer = 0, hidden = 0;

  for (size_t i = 0; i < trace->count; i++) {
    const BenchSpan *span = &trace->spans[i];

    if (span->lane == NPU_LANE_RUN && span->start >= from && span->end <= to) {
      run += span->end - span->start;
      ids[runs++] = span->id;
    }
  }
  figures.windows = unique (ids, runs);
  for (size_t i = 0; i < trace->count; i++) {
    const BenchSpan *span = &trace->spans[i];

    if ((span->lane != NPU_LANE_TO_DEVICE &&
            span->lane != NPU_LANE_FROM_DEVICE) || !bsearch (&span->id, ids,
            figures.windows, sizeof (*ids), compare_ids))
      continue;
    transfer += span->end - span->start;
    hidden += overlap (span, busy, intervals);
  }
  if (figures.windows > 0) {
    figures.mean_run = run / (double) figures.windows;
    figures.mean_transfer = transfer / (double) figures.windows;
  }
  if (transfer > 0)
    figures.hidden = hidden / transfer;
  return figures;
}

BenchTraceFigures
bench_trace_figures (const BenchTrace * trace, double from, double to)
{
  BenchTraceFigures figures = { 0 };
  uint64_t *ids = calloc (trace->count + 1, sizeof (*ids));
  Interval *busy = calloc (trace->count + 1, sizeof (*busy));

  if (ids && busy)
    figures = sum_up (trace, from, to, ids, busy);
  free (ids);
  free (busy);
  return figures;
}

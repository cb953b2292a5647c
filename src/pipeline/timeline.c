/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The timeline. Spans pass from any number of threads to one writer through a
 * bounded queue of cells (Dmitry Vyukov's): a producer takes a number from the
 * head, and a cell's turn says whose it is, so that nobody waits. When the
 * queue is full, the span is dropped and counted.
 *
 * Every time the writer has added spans it ends the file properly, and begins
 * its next spans where that end began. So the file is whole at all times, also
 * when the process dies, and when the disk is full.
 */
#include "pipeline/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "device/deadline.h"

/* A power of two: 160 000 spans a second, in 640 KiB. */
#define CELLS 16384
#define DRAIN_INTERVAL_NS 100000000

#define TEXT_SIZE 65536
/* More than any line of the file but the header data has. */
#define LINE_SIZE 256

/* In other data: the number of spans that are missing from the file. */
#define DROPPED_KEY "dropped"

typedef struct
{
  /* n: free for span n. n + 1: holds span n. */
  _Atomic uint64_t turn;
  NpuLane lane;
  uint64_t id;
  uint64_t start_ns;
  uint64_t end_ns;
} Cell;

typedef struct
{
  Cell *cells;
  _Atomic uint64_t head;        /* number of the next span */
  _Atomic uint64_t dropped;
  uint64_t tail;                /* number of the next span to write; writer */

  /* The writer's alone, once it runs. */
  int file;
  char *text;                   /* TEXT_SIZE bytes that are not written yet */
  size_t used;
  uint64_t spans_in_text;
  off_t end;                    /* of what is in the file and stays */
  uint64_t lost;                /* dropped, since they could not be written */
  uint64_t dropped_told;        /* that the file tells */

  char *path;
  dev_t device;                 /* of the file, with its inode */
  ino_t inode;
  pthread_t writer;

  pthread_mutex_t lock;         /* of what follows */
  pthread_cond_t stop_changed;
  bool stop;
  json_t *facts;
  char *facts_text;             /* "key": "value", ... as JSON; or NULL */
  bool facts_changed;
} Timeline;

static pthread_mutex_t starts_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned starts;         /* without their stops */

/* Whoever records counts itself in before it looks at current, so that the
 * last stop knows when nobody does any more. */
static Timeline *_Atomic current;
static atomic_uint recorders;

const char *
npu_lane_name (NpuLane lane)
{
  static const char *const names[NPU_LANES] = {
    "capture", "mel", "to-device", "run", "from-device", "decode"
  };

  return (unsigned) lane < NPU_LANES ? names[lane] : "unknown";
}

/* ------------------------------------------------------------- queue */

static void
push (Timeline * self, NpuLane lane, uint64_t id, uint64_t start_ns,
    uint64_t end_ns)
{
  uint64_t number = atomic_load_explicit (&self->head, memory_order_relaxed);
  Cell *cell;

  for (;;) {
    uint64_t turn;

    cell = &self->cells[number % CELLS];
    turn = atomic_load_explicit (&cell->turn, memory_order_acquire);
    if (turn == number) {
      if (atomic_compare_exchange_weak_explicit (&self->head, &number,
              number + 1, memory_order_relaxed, memory_order_relaxed))
        break;
    } else if (turn < number) {
      atomic_fetch_add_explicit (&self->dropped, 1, memory_order_relaxed);
      return;
    } else {
      number = atomic_load_explicit (&self->head, memory_order_relaxed);
    }
  }
  cell->lane = lane;
  cell->id = id;
  cell->start_ns = start_ns;
  cell->end_ns = end_ns;
  atomic_store_explicit (&cell->turn, number + 1, memory_order_release);
}

/* Copies the oldest span, when there is one. */
static bool
pop (Timeline * self, Cell * span)
{
  Cell *cell = &self->cells[self->tail % CELLS];

  if (atomic_load_explicit (&cell->turn, memory_order_acquire) !=
      self->tail + 1)
    return false;
  span->lane = cell->lane;
  span->id = cell->id;
  span->start_ns = cell->start_ns;
  span->end_ns = cell->end_ns;
  atomic_store_explicit (&cell->turn, self->tail + CELLS, memory_order_release);
  self->tail++;
  return true;
}

/* -------------------------------------------------------------- file */

/* Write @size bytes to @offset. Returns 0, or what errno says. */
static int
write_at (int file, const char *text, size_t size, off_t offset)
{
  while (size > 0) {
    ssize_t written = pwrite (file, text, size, offset);

    if (written < 0 && errno != EINTR)
      return errno;
    if (written > 0) {
      text += written;
      size -= (size_t) written;
      offset += written;
    }
  }
  return 0;
}

/* Put what was added into the file, after what stays there; without it where
 * that fails. Returns 0, or what errno says. */
static int
flush (Timeline * self)
{
  int error = write_at (self->file, self->text, self->used, self->end);

  if (error == 0)
    self->end += (off_t) self->used;
  else
    self->lost += self->spans_in_text;
  self->used = 0;
  self->spans_in_text = 0;
  return error;
}

static void
add (Timeline * self, const char *text, size_t length)
{
  memcpy (self->text + self->used, text, length);
  self->used += length;
}

static NpuStatus
write_head (Timeline * self, NpuError * error)
{
  char line[LINE_SIZE];
  int reason;

  add (self, line, (size_t) snprintf (line, sizeof (line),
          "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
          "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,"
          "\"args\":{\"name\":\"gst-npu\"}}"));
  for (int lane = 0; lane < NPU_LANES; lane++) {
    add (self, line, (size_t) snprintf (line, sizeof (line),
            ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,"
            "\"args\":{\"name\":\"%s\"}}",
            lane, npu_lane_name ((NpuLane) lane)));
    add (self, line, (size_t) snprintf (line, sizeof (line),
            ",\n{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":1,"
            "\"tid\":%d,\"args\":{\"sort_index\":%d}}", lane, lane));
  }
  reason = flush (self);
  if (reason != 0)
    return npu_error_set (error, NPU_EIO, "The timeline cannot be written to "
        "%s: %s; name a file elsewhere", self->path, strerror (reason));
  return NPU_OK;
}

static void
add_span (Timeline * self, const Cell * span)
{
  bool is_audio = span->lane == NPU_LANE_CAPTURE || span->lane == NPU_LANE_MEL;
  uint64_t duration_ns =
      span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;
  /* readers of JSON have signed integers */
  uint64_t id = span->id < INT64_MAX ? span->id : INT64_MAX;
  char line[LINE_SIZE];
  int length = snprintf (line, sizeof (line),
      ",\n{\"name\":\"%s %" PRIu64 "\",\"ph\":\"X\",\"pid\":1,\"tid\":%d,"
      "\"ts\":%" PRIu64 ".%03u,\"dur\":%" PRIu64 ".%03u,"
      "\"args\":{\"id\":%" PRIu64 "}}",
      is_audio ? "frame" : "window", id, (int) span->lane,
      span->start_ns / 1000, (unsigned) (span->start_ns % 1000),
      duration_ns / 1000, (unsigned) (duration_ns % 1000), id);

  if (self->used + (size_t) length > TEXT_SIZE)
    flush (self);
  add (self, line, (size_t) length);
  self->spans_in_text++;
}

/* End the file after what is in the text, such that the next spans go before
 * that end. Under the lock, since it holds the facts. */
static void
write_tail (Timeline * self)
{
  char last[LINE_SIZE];
  const char *facts = self->facts_text ? self->facts_text : "";
  size_t length = strlen (facts), last_length;
  off_t spans_end;

  if (self->used + length + LINE_SIZE > TEXT_SIZE)
    flush (self);
  spans_end = self->end + (off_t) self->used;
  for (int attempt = 0; attempt < 2; attempt++) {
    self->dropped_told = self->lost +
        atomic_load_explicit (&self->dropped, memory_order_relaxed);
    last_length = (size_t) snprintf (last, sizeof (last),
        "\"" DROPPED_KEY "\":%" PRIu64 "}}\n", self->dropped_told);
    add (self, "\n],\"otherData\":{", 16);
    add (self, facts, length);
    add (self, last, last_length);
    if (flush (self) == 0)
      break;
    /* The spans do not fit. This end alone does: one was there before. */
    spans_end = self->end;
  }
  /* What comes after is an older, longer end, or half of what did not fit. */
  while (ftruncate (self->file, self->end) != 0 && errno == EINTR);
  self->end = spans_end;
}

static void
drain (Timeline * self)
{
  uint64_t limit = CELLS;       /* those who record may be faster than we are */
  bool changed;
  Cell span;

  while (limit-- > 0 && pop (self, &span))
    add_span (self, &span);
  pthread_mutex_lock (&self->lock);
  changed = self->used > 0 || self->facts_changed || self->dropped_told !=
      self->lost + atomic_load_explicit (&self->dropped, memory_order_relaxed);
  if (changed)
    write_tail (self);
  self->facts_changed = false;
  pthread_mutex_unlock (&self->lock);
}

static void *
write_spans (void *data)
{
  Timeline *self = data;
  bool stop = false;

  pthread_setname_np (pthread_self (), "npu-timeline");
  while (!stop) {
    NpuDeadline until = npu_deadline_after (DRAIN_INTERVAL_NS);

    pthread_mutex_lock (&self->lock);
    while (!self->stop
        && npu_deadline_wait (&until, &self->stop_changed, &self->lock));
    stop = self->stop;
    pthread_mutex_unlock (&self->lock);
    drain (self);
  }
  return NULL;
}

/* ------------------------------------------------------ start and stop */

static void
timeline_free (Timeline * self)
{
  if (!self)
    return;
  if (self->file >= 0)
    close (self->file);
  pthread_cond_destroy (&self->stop_changed);
  pthread_mutex_destroy (&self->lock);
  json_decref (self->facts);
  free (self->facts_text);
  free (self->path);
  free (self->text);
  free (self->cells);
  free (self);
}

static Timeline *
timeline_create (const char *path)
{
  Timeline *self = calloc (1, sizeof (*self));

  if (!self)
    return NULL;
  self->file = -1;
  pthread_mutex_init (&self->lock, NULL);
  npu_condition_init (&self->stop_changed);
  self->cells = calloc (CELLS, sizeof (*self->cells));
  self->text = malloc (TEXT_SIZE);
  self->path = strdup (path);
  self->facts = json_object ();
  if (!self->cells || !self->text || !self->path || !self->facts) {
    timeline_free (self);
    return NULL;
  }
  for (uint64_t i = 0; i < CELLS; i++)
    atomic_init (&self->cells[i].turn, i);
  return self;
}

/* Emptied only when it turned out to be a file: nobody waits at the other end
 * of a pipe. */
static NpuStatus
open_file (Timeline * self, NpuError * error)
{
  struct stat info;

  self->file = open (self->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK,
      0666);
  if (self->file < 0 || fstat (self->file, &info) != 0)
    return npu_error_set (error, NPU_EIO, "The timeline cannot be written to "
        "%s: %s; name a file in a folder that can be written",
        self->path, strerror (errno));
  if (!S_ISREG (info.st_mode))
    return npu_error_set (error, NPU_EIO, "The timeline cannot be written to "
        "%s, which is not a file; name one", self->path);
  if (ftruncate (self->file, 0) != 0)
    return npu_error_set (error, NPU_EIO, "The timeline cannot be written to "
        "%s: %s", self->path, strerror (errno));
  self->device = info.st_dev;
  self->inode = info.st_ino;
  return NPU_OK;
}

static bool
writes_to (const Timeline * self, const char *path)
{
  struct stat info;

  return strcmp (self->path, path) == 0 || (stat (path, &info) == 0 &&
      info.st_dev == self->device && info.st_ino == self->inode);
}

static NpuStatus
begin (const char *path, NpuError * error)
{
  Timeline *self = timeline_create (path);
  NpuStatus status;

  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a timeline");
  status = open_file (self, error);
  if (status == NPU_OK)
    status = write_head (self, error);
  if (status == NPU_OK) {
    write_tail (self);
    if (pthread_create (&self->writer, NULL, write_spans, self) != 0)
      status = npu_error_set (error, NPU_ENOMEM,
          "No thread could be started for the timeline");
  }
  if (status == NPU_OK)
    atomic_store (&current, self);
  else
    timeline_free (self);
  return status;
}

NpuStatus
npu_timeline_start (const char *path, NpuError * error)
{
  NpuStatus status = NPU_OK;
  Timeline *self;

  if (!path || !*path)
    return npu_error_set (error, NPU_EIO,
        "A timeline needs the name of a file to write to");
  pthread_mutex_lock (&starts_lock);
  self = atomic_load (&current);
  if (!self)
    status = begin (path, error);
  else if (!writes_to (self, path))
    status = npu_error_set (error, NPU_EBUSY, "The timeline goes to %s "
        "already, so not to %s: there is one for the whole process",
        self->path, path);
  if (status == NPU_OK)
    starts++;
  pthread_mutex_unlock (&starts_lock);
  return status;
}

static void
end (Timeline * self)
{
  const struct timespec moment = {.tv_nsec = 20000 };

  atomic_store (&current, NULL);
  /* slept, not spun: who is counted in may have a lower priority */
  while (atomic_load (&recorders) > 0)
    nanosleep (&moment, NULL);
  pthread_mutex_lock (&self->lock);
  self->stop = true;
  pthread_cond_signal (&self->stop_changed);
  pthread_mutex_unlock (&self->lock);
  pthread_join (self->writer, NULL);
  timeline_free (self);
}

void
npu_timeline_stop (void)
{
  pthread_mutex_lock (&starts_lock);
  if (starts > 0 && --starts == 0)
    end (atomic_load (&current));
  pthread_mutex_unlock (&starts_lock);
}

bool
npu_timeline_started (void)
{
  return atomic_load_explicit (&current, memory_order_relaxed) != NULL;
}

/* ------------------------------------------------------------- record */

/* JSON is UTF-8; names of files need not be. */
static json_t *
make_string (const char *value)
{
  json_t *string = json_string (value);
  char *copy;

  if (string)
    return string;
  copy = strdup (value);
  for (char *c = copy; c && *c; c++)
    if ((unsigned char) *c >= 0x80)
      *c = '?';
  string = copy ? json_string (copy) : NULL;
  free (copy);
  return string;
}

/* The members of the object without its braces, and a comma; NULL for none.
 * Made here, so that the writer need not allocate. */
static char *
facts_to_text (const json_t * facts)
{
  char *text = json_dumps (facts, JSON_COMPACT);
  size_t length = text ? strlen (text) : 0;

  /* with room for the rest of the end in the writer's text */
  if (length <= 2 || length + LINE_SIZE > TEXT_SIZE) {
    free (text);
    return NULL;
  }
  memmove (text, text + 1, length - 1);
  text[length - 2] = ',';
  text[length - 1] = '\0';
  return text;
}

void
npu_timeline_describe (const char *key, const char *value)
{
  Timeline *self;

  if (!key || !value || strcmp (key, DROPPED_KEY) == 0)
    return;
  pthread_mutex_lock (&starts_lock);
  self = atomic_load (&current);
  if (self) {
    char *text = NULL;

    pthread_mutex_lock (&self->lock);
    if (json_object_set_new (self->facts, key, make_string (value)) == 0)
      text = facts_to_text (self->facts);
    if (text) {
      free (self->facts_text);
      self->facts_text = text;
      self->facts_changed = true;
    } else {
      json_object_del (self->facts, key);
    }
    pthread_mutex_unlock (&self->lock);
  }
  pthread_mutex_unlock (&starts_lock);
}

void
npu_timeline_record (NpuLane lane, uint64_t id, uint64_t start_ns,
    uint64_t end_ns)
{
  Timeline *self;

  if (!npu_timeline_started () || (unsigned) lane >= NPU_LANES)
    return;
  atomic_fetch_add (&recorders, 1);
  self = atomic_load (&current);
  if (self)
    push (self, lane, id, start_ns, end_ns);
  atomic_fetch_sub (&recorders, 1);
}

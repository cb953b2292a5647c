/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Words on standard output, SRT subtitles in a file, progress on a terminal.
 */
#include "transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

/* more files of one name than anybody makes by repeating a command */
#define MAX_SRT_NUMBER 999

struct _NpuTranscript
{
  GMutex lock;                  /* the terminal and the subtitle file */
  gboolean progress_wanted;
  gboolean progress_shown;
  GString *progress;            /* the line as it was shown last */
  gboolean quiet;
  guint segments;

  FILE *srt;
  char *srt_path;
  char *srt_stem;               /* without ".srt"; NULL if the user named it */
  int write_error;              /* errno of the first failure, or 0 */
  const char *write_error_of;
};

NpuTranscript *
npu_transcript_new (gboolean quiet)
{
  NpuTranscript *self = g_new0 (NpuTranscript, 1);

  g_mutex_init (&self->lock);
  self->quiet = quiet;
  self->progress_wanted = !quiet && isatty (STDERR_FILENO);
  self->progress = g_string_new (NULL);
  return self;
}

static gboolean
open_srt (NpuTranscript * self, const char *path, int flags, GError ** error)
{
  int fd = g_open (path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);

  if (fd < 0) {
    int reason = errno;

    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (reason),
        "%s cannot be written: %s", path, g_strerror (reason));
    return FALSE;
  }
  self->srt = fdopen (fd, "w");
  self->srt_path = g_strdup (path);
  return TRUE;
}

gboolean
npu_transcript_open_srt (NpuTranscript * self, const char *path,
    GError ** error)
{
  return open_srt (self, path, O_TRUNC, error);
}

static char *
numbered_path (const char *stem, guint number)
{
  return number == 0 ? g_strdup_printf ("%s.srt", stem)
      : g_strdup_printf ("%s.%u.srt", stem, number);
}

static gboolean
open_first_free (NpuTranscript * self, const char *stem, GError ** error)
{
  for (guint number = 0; number <= MAX_SRT_NUMBER; number++) {
    g_autofree char *path = numbered_path (stem, number);

    g_clear_error (error);
    if (open_srt (self, path, O_EXCL, error)) {
      self->srt_stem = g_strdup (stem);
      return TRUE;
    }
    if (!g_error_matches (*error, G_FILE_ERROR, G_FILE_ERROR_EXIST))
      return FALSE;
  }
  return FALSE;
}

gboolean
npu_transcript_open_srt_beside (NpuTranscript * self, const char *media,
    gboolean has_folder, GError ** error)
{
  g_autofree char *base = g_path_get_basename (media);
  g_autoptr (GError) reason = NULL;
  char *dot = strrchr (base, '.');

  if (dot && dot != base)
    *dot = '\0';
  if (has_folder) {
    g_autofree char *folder = g_path_get_dirname (media);
    g_autofree char *stem = strcmp (folder, ".") == 0 ? g_strdup (base)
        : g_build_filename (folder, base, NULL);

    if (open_first_free (self, stem, &reason))
      return TRUE;
  }
  if (open_first_free (self, base, &reason))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}

/* rounded to @unit before it is split, so that 59.999 s never reads "60.00" */
static void
split_time (GstClockTime time, GstClockTime unit, guint units_per_second,
    guint out[4])
{
  guint64 units = (time + unit / 2) / unit;
  guint64 seconds = units / units_per_second;

  out[0] = seconds / 3600;
  out[1] = seconds / 60 % 60;
  out[2] = seconds % 60;
  out[3] = units % units_per_second;
}

static void
append_time (GString * line, GstClockTime time, gboolean hours)
{
  guint t[4];

  split_time (time, 10 * GST_MSECOND, 100, t);
  if (hours)
    g_string_append_printf (line, "%02u:", t[0]);
  g_string_append_printf (line, "%02u:%02u.%02u", t[1], t[2], t[3]);
}

static void
append_short_time (GString * line, GstClockTime time)
{
  guint t[4];

  split_time (time, GST_SECOND, 1, t);
  if (t[0] > 0)
    g_string_append_printf (line, "%u:", t[0]);
  g_string_append_printf (line, "%02u:%02u", t[1], t[2]);
}

static void
note_write_error (NpuTranscript * self, const char *what)
{
  if (self->write_error == 0) {
    self->write_error = errno;
    self->write_error_of = what;
  }
}

static void
write_srt_segment (NpuTranscript * self, GstClockTime start,
    GstClockTime end, const char *text)
{
  guint a[4], b[4];

  split_time (start, GST_MSECOND, 1000, a);
  split_time (end, GST_MSECOND, 1000, b);
  if (fprintf (self->srt,
          "%u\n%02u:%02u:%02u,%03u --> %02u:%02u:%02u,%03u\n%s\n\n",
          self->segments, a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3],
          text) < 0 || fflush (self->srt) != 0)
    note_write_error (self, self->srt_path);
}

static void
clear_progress (NpuTranscript * self)
{
  if (self->progress_shown)
    fputs ("\r\033[K", stderr);
  self->progress_shown = FALSE;
}

static void
show_progress (NpuTranscript * self)
{
  fprintf (stderr, "\r\033[K%s", self->progress->str);
  self->progress_shown = TRUE;
}

void
npu_transcript_add (NpuTranscript * self, GstClockTime start,
    GstClockTime end, const char *text)
{
  g_autofree char *stripped = g_strstrip (g_strdup (text));
  g_autoptr (GString) line = g_string_new ("[");
  gboolean hours = start >= 3600 * GST_SECOND || end >= 3600 * GST_SECOND;
  gboolean progress_shown;

  if (*stripped == '\0')
    return;
  append_time (line, start, hours);
  g_string_append (line, " -> ");
  append_time (line, end, hours);
  g_string_append_printf (line, "] %s\n", stripped);

  g_mutex_lock (&self->lock);
  self->segments++;
  progress_shown = self->progress_shown;
  clear_progress (self);
  if (fputs (line->str, stdout) == EOF || fflush (stdout) != 0)
    note_write_error (self, "standard output");
  if (self->srt)
    write_srt_segment (self, start, end, stripped);
  if (progress_shown)
    show_progress (self);
  g_mutex_unlock (&self->lock);
}

static void
append_progress (GString * line, const NpuProgress * progress)
{
  double heard = progress->position / (double) GST_SECOND;
  double elapsed = progress->elapsed_us / (double) G_USEC_PER_SEC;

  append_short_time (line, progress->position);
  if (!GST_CLOCK_TIME_IS_VALID (progress->duration)
      || progress->duration == 0)
    return;
  g_string_append (line, " of ");
  append_short_time (line, progress->duration);
  if (heard <= 0 || elapsed <= 0)
    return;
  g_string_append_printf (line, "   %.1f x real time   ", heard / elapsed);
  if (progress->duration > progress->position) {
    double left = (progress->duration - progress->position) * elapsed / heard;

    append_short_time (line, (GstClockTime) left);
    g_string_append (line, " left");
  }
}

void
npu_transcript_progress (NpuTranscript * self, const NpuProgress * progress)
{
  if (!self->progress_wanted || !g_mutex_trylock (&self->lock))
    return;
  g_string_truncate (self->progress, 0);
  append_progress (self->progress, progress);
  show_progress (self);
  g_mutex_unlock (&self->lock);
}

static void
print_message (NpuTranscript * self, const char *format, va_list args)
{
  clear_progress (self);
  vfprintf (stderr, format, args);
  fputc ('\n', stderr);
}

void
npu_transcript_message (NpuTranscript * self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_mutex_lock (&self->lock);
  print_message (self, format, args);
  g_mutex_unlock (&self->lock);
  va_end (args);
}

static gboolean
same_contents (const char *a, const char *b)
{
  g_autofree char *text_a = NULL;
  g_autofree char *text_b = NULL;
  gsize length_a, length_b;

  return g_file_get_contents (a, &text_a, &length_a, NULL)
      && g_file_get_contents (b, &text_b, &length_b, NULL)
      && length_a == length_b && memcmp (text_a, text_b, length_a) == 0;
}

/* A repeated run must not leave talk.1.srt, talk.2.srt ... of equal text. */
static void
drop_srt_if_repeated (NpuTranscript * self)
{
  for (guint number = 0; number <= MAX_SRT_NUMBER; number++) {
    g_autofree char *path = numbered_path (self->srt_stem, number);

    if (strcmp (path, self->srt_path) == 0)
      return;
    if (same_contents (path, self->srt_path)) {
      g_unlink (self->srt_path);
      g_free (self->srt_path);
      self->srt_path = g_steal_pointer (&path);
      return;
    }
  }
}

static void
close_srt (NpuTranscript * self)
{
  if (!self->srt)
    return;
  if (fclose (self->srt) != 0)
    note_write_error (self, self->srt_path);
  self->srt = NULL;
  if (!self->srt_stem || self->write_error != 0)
    return;
  if (self->segments == 0)
    g_unlink (self->srt_path);
  else
    drop_srt_if_repeated (self);
}

gboolean
npu_transcript_finish (NpuTranscript * self)
{
  gboolean had_srt;

  g_mutex_lock (&self->lock);
  had_srt = self->srt != NULL;
  close_srt (self);
  clear_progress (self);
  g_mutex_unlock (&self->lock);

  if (self->write_error != 0) {
    npu_transcript_message (self, "%s could not be written: %s",
        self->write_error_of, g_strerror (self->write_error));
    return FALSE;
  }
  if (had_srt && self->segments > 0 && !self->quiet)
    npu_transcript_message (self, "Subtitles: %s", self->srt_path);
  return TRUE;
}

guint
npu_transcript_segments (const NpuTranscript * self)
{
  return self->segments;
}

void
npu_transcript_free (NpuTranscript * self)
{
  if (!self)
    return;
  if (self->srt)
    fclose (self->srt);
  g_mutex_clear (&self->lock);
  g_string_free (self->progress, TRUE);
  g_free (self->srt_path);
  g_free (self->srt_stem);
  g_free (self);
}

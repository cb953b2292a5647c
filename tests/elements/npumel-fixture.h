/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of npumel share: a harness that collects frames and checks
 * their times, signals, and frames computed by the core to compare with.
 */
#ifndef NPUMEL_FIXTURE_H
#define NPUMEL_FIXTURE_H

#include <gst/audio/audio.h>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#define MONO_16K "audio/x-raw, format=(string)" GST_AUDIO_NE (F32) \
  ", rate=(int)16000, channels=(int)1, layout=(string)interleaved"
#define BANDS 80

/* Frames that came out one after the other. */
typedef struct
{
  GArray *values;               /* gfloat */
  guint frames;
  guint buffers;
  guint disconts;
  GstClockTime start;           /* of the first buffer */
  GstClockTime end;             /* of the last one */
  guint64 offset;               /* of the next buffer */
} Frames;

/* A harness with @caps and a bus; NULL sends no caps yet. */
GstHarness *mel_harness (const gchar * caps);
void mel_harness_free (GstHarness * h);

/* @count samples of noise from a seed that is printed. */
gfloat *noise (gsize count);
guint random_below (guint limit);

/* Push float samples; @time may be GST_CLOCK_TIME_NONE. */
GstFlowReturn push_floats (GstHarness * h, const gfloat * samples, gsize count,
    GstClockTime time, GstBufferFlags flags);
/* Push @data, which is copied. */
GstFlowReturn push_bytes (GstHarness * h, gconstpointer data, gsize size,
    GstClockTime time);
/* Push @duration of noise of 16 kHz. */
void push_noise (GstHarness * h, GstClockTime time, GstClockTime duration,
    GstBufferFlags flags);

/* All buffers that came out so far. Asserts that they follow each other
 * without a hole, and that only the first may be marked DISCONT. */
void collect (GstHarness * h, Frames * frames);
void frames_clear (Frames * frames);

/* The frames that the core computes; to be freed. */
gfloat *core_frames (const gfloat * samples, gsize count, gsize * frames);
/* Mean difference behind the window's clamp. */
gdouble mean_difference (const gfloat * one, const gfloat * other, gsize count);
void assert_same_bits (const Frames * frames, const gfloat * samples,
    gsize count);

/* The next event of @type that came out, NULL when there is none. */
GstEvent *next_event (GstHarness * h, GstEventType type);
/* Asserts that a message of @type was posted and that it holds @text. */
void assert_message (GstHarness * h, GstMessageType type, const gchar * text);
/* Asserts that neither an error nor a warning is left on the bus. */
void assert_no_message (GstHarness * h);
guint64 statistic (GstHarness * h, const gchar * name);

#endif

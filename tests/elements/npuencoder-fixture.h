/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder in a harness, with frames whose values follow from their number,
 * and a part that plays the decoder downstream.
 */
#ifndef TESTS_ELEMENTS_NPUENCODER_FIXTURE_H
#define TESTS_ELEMENTS_NPUENCODER_FIXTURE_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include <gstnpumessages.h>
#include <gstnpuwindowmeta.h>

#include "small-model.h"

#define MEL_80 "tensor/strided, tensor-id=(string)log-mel, " \
  "type=(string)float32, dims-order=(string)row-major, dims=(int)<0,80>"
#define MEL_128 "tensor/strided, tensor-id=(string)log-mel, " \
  "type=(string)float32, dims-order=(string)row-major, dims=(int)<0,128>"

#define FRAME (10 * GST_MSECOND)

/* Path of small_model_default, written once. */
const gchar *test_model (void);

/* An npuencoder with float32 precision and the test's model; then properties
 * as for g_object_set(). */
GstElement *new_encoder (void);
GstElement *new_encoder_with (const gchar * first_property, ...)
    G_GNUC_NULL_TERMINATED;

/* In a harness, with a bus, playing, with caps and a segment pushed. */
GstHarness *new_harness (GstElement * encoder);
void free_harness (GstHarness * harness);

/* The pipeline of a description that is formatted as by printf(). */
GstElement *launch (const gchar * format, ...) G_GNUC_PRINTF (1, 2);

/* The figure @name of the statistics of an element. */
guint64 count_of (const GstStructure * stats, const gchar * name);

/* The value of a frame, log10 as npumel gives it. */
gfloat frame_value (guint64 frame, guint band);

/* A buffer of @count frames from @frame on; @pts may be NONE. */
GstBuffer *new_frames (guint64 frame, guint count, GstClockTime pts);

/* The same, pushed with the time that the number says. */
GstFlowReturn push_frames (GstHarness * harness, guint64 frame, guint count);

/* Answers the driven query, as npudecoder does, until the probe that it
 * returns is removed from the harness's sink pad. */
gulong pretend_decoder (GstHarness * harness);

/* What is expected of a states buffer; its states are compared with those of
 * the core for frames @first ... */
typedef struct
{
  guint64 first;                /* number of the first frame pushed */
  guint frames;
  GstClockTime pts;
  guint64 first_sample;
  gboolean full, final, discont;
} Expected;

void check_states (GstBuffer * buffer, const Expected * expected);

/* Take events from the harness until one of @type comes; fails after 5 s. */
void wait_for_event (GstHarness * harness, GstEventType type);

/* The error on the harness's bus; fails when there is none within 5 s. */
gchar *pop_error (GstElement * element, GError ** error);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What npuencoder does when windows come faster than they are encoded: which
 * step to take is the core's decision (pipeline/overload.h); this file applies
 * it to the windows, and says so by QoS messages.
 */
#include "gstnpuencoder.h"

GST_DEBUG_CATEGORY_EXTERN (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

/* GST_MESSAGE_QOS: the quality of full service. */
#define FULL_QUALITY 1000000

GType
gst_npu_overload_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_NPU_OVERLOAD_AUTO, "Behind a live source all that helps, else block",
        "auto"},
    {GST_NPU_OVERLOAD_BLOCK, "Make the source wait", "block"},
    {GST_NPU_OVERLOAD_CONTEXT, "Shorten windows", "context"},
    {GST_NPU_OVERLOAD_HOP, "Also encode less often", "hop"},
    {GST_NPU_OVERLOAD_DROP, "Also leave out windows", "drop"},
    {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstNpuOverload", values));
  return type;
}

static const gchar *
level_name (NpuOverloadLevel level)
{
  static const gchar *const names[] = { "block", "context", "hop", "drop" };

  return names[level];
}

const gchar *
gst_npu_encoder_overload_name (GstNpuEncoder * self)
{
  NpuOverloadLevel level = npu_overload_step (&self->overload)->level;

  return level == NPU_OVERLOAD_BLOCK ? "none" : level_name (level);
}

void
gst_npu_encoder_plan_overload (GstNpuEncoder * self)
{
  const NpuModelConfig *config = npu_model_config (self->model);
  gboolean shorter = self->context == NPU_CONTEXT_HEARD
      || (self->context == NPU_CONTEXT_AUTO && config->heard_context);
  NpuOverloadLevel limit = NPU_OVERLOAD_BLOCK;

  /* a source that can wait loses nothing by waiting */
  if (self->live)
    limit = self->overload_limit == GST_NPU_OVERLOAD_AUTO ?
        NPU_OVERLOAD_DROP : (NpuOverloadLevel) (self->overload_limit
        - GST_NPU_OVERLOAD_BLOCK);
  npu_overload_init (&self->overload, limit, self->window_frames,
      self->hop_frames, shorter);
  self->may_drop = limit == NPU_OVERLOAD_DROP;
}

/* Whether upstream is live decides what overload may do. */
void
gst_npu_encoder_ask_live (GstNpuEncoder * self)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;

  if (gst_pad_peer_query (self->sinkpad, query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);
  g_mutex_lock (&self->lock);
  if (self->live != live) {
    GST_INFO_OBJECT (self, "upstream is %slive", live ? "" : "not ");
    self->live = live;
    gst_npu_encoder_plan_overload (self);
    npu_windows_set_lengths (&self->windows, self->window_frames,
        self->hop_frames);
  }
  g_mutex_unlock (&self->lock);
}

/* ----------------------------------------------------------- messages */

/* The lock is held: what a message says is put together for later, since
 * posting calls the application. It is about @frames frames from @first on that
 * are lost, none where only the step changes. Quality is the share of the work
 * that would be done without overload: of a window's length, of the windows, and
 * of those that were @left_out before one is encoded. */
static void
announce (GstNpuEncoder * self, guint64 first, guint64 frames,
    guint32 left_out)
{
  const NpuOverloadStep *step = npu_overload_step (&self->overload);
  const GstNpuEncoderBase *base = gst_npu_encoder_base_of (self, first);
  const GstSegment *segment = base ? &base->segment : &self->segment;
  GstClockTime time = gst_npu_encoder_frame_time (self, first);
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), self->live,
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, time),
      gst_segment_to_stream_time (segment, GST_FORMAT_TIME, time),
      time, frames * GST_NPU_FRAME_DURATION);
  gdouble share = (gdouble) step->window / self->window_frames
      * self->hop_frames / step->hop / (1 + left_out);

  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS,
      self->counters.windows, self->counters.skipped);
  gst_message_set_qos_values (message, self->counters.lag, share,
      (gint) (share * FULL_QUALITY));
  gst_structure_set (gst_message_writable_structure (message),
      "overload", G_TYPE_STRING, gst_npu_encoder_overload_name (self),
      "window", G_TYPE_UINT64,
      (guint64) step->window * GST_NPU_FRAME_DURATION,
      "hop", G_TYPE_UINT64, (guint64) step->hop * GST_NPU_FRAME_DURATION,
      "lost", G_TYPE_UINT64, frames * GST_NPU_FRAME_DURATION, NULL);
  g_queue_push_tail (&self->messages, message);
}

/* Says @text once, until the next start. */
static void
warn_once (GstNpuEncoder * self, gboolean * said, const gchar * text)
{
  GError *error;

  if (*said)
    return;
  *said = TRUE;
  GST_WARNING_OBJECT (self, "%s", text);
  error = g_error_new_literal (GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NO_SPACE_LEFT, text);
  g_queue_push_tail (&self->messages,
      gst_message_new_warning (GST_OBJECT (self), error, NULL));
  g_error_free (error);
}

void
gst_npu_encoder_say_starved (GstNpuEncoder * self)
{
  gchar *text;

  if (self->said_starved)
    return;
  text = g_strdup_printf ("Elements behind the encoder hold all %u "
      "buffers of states; %s. Let them go of some, or raise max-states.",
      gst_npu_encoder_max_states (self), self->may_drop ?
      "windows are left out" : "it waits for one");

  warn_once (self, &self->said_starved, text);
  g_free (text);
}

void
gst_npu_encoder_say_full (GstNpuEncoder * self)
{
  warn_once (self, &self->said_full, "Elements behind the encoder have taken "
      "nothing for so long that the live source has to wait. Put a leaky queue "
      "between them, or have them take states in time.");
}

void
gst_npu_encoder_post_messages (GstNpuEncoder * self)
{
  GstMessage *message;

  for (;;) {
    g_mutex_lock (&self->lock);
    message = g_queue_pop_head (&self->messages);
    g_mutex_unlock (&self->lock);
    if (!message)
      return;
    gst_element_post_message (GST_ELEMENT (self), message);
  }
}

/* -------------------------------------------------------- leaving out */

static guint64
frames_since (gint64 time)
{
  gint64 now = g_get_monotonic_time ();

  return now > time ?
      (now - time) * GST_USECOND / GST_NPU_FRAME_DURATION : 0;
}

/* The first boundary behind @frame, or NULL. Between boundaries lie the pieces
 * of the stream, whose windows have nothing in common. */
static GstNpuEncoderItem *
next_boundary (GstNpuEncoder * self, guint64 frame)
{
  for (GList * link = self->items.head; link; link = link->next) {
    GstNpuEncoderItem *item = link->data;

    if (item->boundary && item->frame > frame)
      return item;
  }
  return NULL;
}

/* All windows before @boundary. */
static guint32
leave_out_piece (GstNpuEncoder * self, GstNpuEncoderItem * boundary,
    guint64 * lost)
{
  guint64 first = npu_windows_first_needed (&self->windows);
  guint32 windows = npu_windows_skip (&self->windows, boundary->frame, lost);

  /* what a decoder has not finished with is not lost, but nobody's either */
  if (!self->windows.driven)
    first = boundary->frame - *lost;
  self->skipped_end = boundary->frame;
  if (boundary->frame > first && !boundary->left_out)
    boundary->left_out = gst_event_new_gap (gst_npu_encoder_frame_time (self,
            first), (boundary->frame - first) * GST_NPU_FRAME_DURATION);
  return windows;
}

gboolean
gst_npu_encoder_drop_windows (GstNpuEncoder * self)
{
  guint64 first = npu_windows_first_needed (&self->windows), needed = first;
  guint64 lost, all_lost = 0;
  GstNpuEncoderItem *boundary;
  guint32 windows = 0;

  while ((boundary = next_boundary (self, needed))
      && frames_since (boundary->time) > self->windows.hop) {
    windows += leave_out_piece (self, boundary, &lost);
    all_lost += lost;
    needed = boundary->frame;
  }
  windows += npu_windows_drop (&self->windows, boundary ? boundary->frame :
      npu_ring_newest (self->ring), &lost);
  all_lost += lost;
  needed = npu_windows_first_needed (&self->windows);
  if (windows == 0 && needed == first)
    return FALSE;

  GST_DEBUG_OBJECT (self, "leaving out %u windows, %" G_GUINT64_FORMAT
      " frames are in none", windows, all_lost);
  self->counters.skipped += windows;
  self->counters.lost_frames += all_lost;
  self->discont = TRUE;
  if (windows > 0)
    announce (self, all_lost > 0 ? needed - all_lost : first, all_lost,
        windows);
  gst_npu_encoder_trim (self);
  g_cond_signal (&self->work);
  return TRUE;
}

/* -------------------------------------------------------------- steps */

/* The window that is due, of frames before @newest. */
static NpuOverloadWindow
describe_window (GstNpuEncoder * self, guint64 newest)
{
  guint64 behind = npu_windows_waiting (&self->windows, newest);
  guint64 end = newest - behind;
  const GstNpuEncoderItem *boundary = next_boundary (self, newest - 1);
  gint64 due = behind == 0 && boundary && boundary->frame == newest ?
      boundary->time : gst_npu_encoder_arrival (self, end).came;
  NpuOverloadWindow window = {
    .waited = frames_since (due),
    .first = self->last_formed == 0,
  };

  if (!window.first) {
    GstClockTimeDiff heard = GST_CLOCK_DIFF (self->last_end,
        gst_npu_encoder_end_time (self, end));

    window.elapsed = frames_since (self->last_formed);
    window.heard = heard > 0 ? heard / GST_NPU_FRAME_DURATION : 0;
  }
  return window;
}

void
gst_npu_encoder_check_overload (GstNpuEncoder * self, guint64 newest)
{
  NpuOverloadWindow window = describe_window (self, newest);
  const NpuOverloadStep *step;

  if (npu_overload_update (&self->overload, &window)) {
    step = npu_overload_step (&self->overload);
    GST_INFO_OBJECT (self, "overload: %s, windows of %u frames every %u",
        gst_npu_encoder_overload_name (self), step->window, step->hop);
    npu_windows_set_lengths (&self->windows, step->window, step->hop);
    announce (self, npu_windows_first_needed (&self->windows), 0, 0);
  }
  if (npu_overload_drops (&self->overload))
    gst_npu_encoder_drop_windows (self);
}

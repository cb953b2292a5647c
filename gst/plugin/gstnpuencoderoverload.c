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
 * posting calls the application. Quality is the share of the work that would
 * be done without overload: of a window's length, of the windows, and of those
 * that were @left_out before one is encoded. */
static void
announce (GstNpuEncoder * self, guint64 first, guint64 frames,
    guint32 left_out)
{
  const NpuOverloadStep *step = npu_overload_step (&self->overload);
  GstClockTime time = gst_npu_encoder_frame_time (self, first);
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), self->live,
      gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, time),
      gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME, time),
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

GstMessage *
gst_npu_encoder_starved_message (GstNpuEncoder * self)
{
  GError *error = g_error_new (GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NO_SPACE_LEFT, "Elements behind the encoder hold all "
      "%u buffers of states; %s. Let them go of some, or raise max-states.",
      gst_npu_encoder_max_states (self), self->may_drop ?
      "windows are left out" : "it waits for one");
  GstMessage *message =
      gst_message_new_warning (GST_OBJECT (self), error, NULL);

  g_error_free (error);
  return message;
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

/* -------------------------------------------------------------- steps */

/* What waits behind the next window. The stream's pieces, between boundaries,
 * have windows of their own: the rest of one that has ended is work for whole
 * hops, however short it is. */
typedef struct
{
  guint64 frames;               /* that wait, rounded up so */
  guint64 end;                  /* of the piece that the next window is of */
  guint64 keep;                 /* where the first piece begins behind which at
                                 * most a hop waits; 0: the next window's */
} Backlog;

static guint64
whole_hops (GstNpuEncoder * self, guint64 frames)
{
  guint32 hop = self->windows.hop;

  return (frames + hop - 1) / hop * hop;
}

static Backlog
measure_backlog (GstNpuEncoder * self)
{
  guint64 needed = npu_windows_first_needed (&self->windows);
  Backlog backlog = {.end = npu_ring_newest (self->ring) };
  gboolean ended = FALSE;
  guint64 rest;

  for (GList * link = self->items.tail; link; link = link->prev) {
    const GstNpuEncoderItem *item = link->data;
    guint64 piece = backlog.end - item->frame;

    if (item->frame <= needed)
      break;
    if (!item->boundary)
      continue;
    backlog.frames += ended ? whole_hops (self, piece) : piece;
    if (backlog.frames > self->windows.hop && backlog.keep == 0)
      backlog.keep = item->frame;
    backlog.end = item->frame;
    ended = TRUE;
  }
  rest = npu_windows_waiting (&self->windows, backlog.end);
  backlog.frames += ended ? whole_hops (self, rest) : rest;
  return backlog;
}

/* All windows of the pieces before @keep. */
static guint32
leave_out_pieces (GstNpuEncoder * self, guint64 keep, guint64 * lost)
{
  guint32 windows = 0;

  *lost = 0;
  for (GList * link = self->items.head; link; link = link->next) {
    GstNpuEncoderItem *item = link->data;
    guint64 first = npu_windows_first_needed (&self->windows), frames;

    if (item->frame > keep)
      break;
    if (!item->boundary || item->frame <= first)
      continue;
    windows += npu_windows_skip (&self->windows, item->frame, &frames);
    if (frames > 0 && !item->left_out)
      item->left_out = gst_event_new_gap (gst_npu_encoder_frame_time (self,
              item->frame - frames), frames * GST_NPU_FRAME_DURATION);
    *lost += frames;
  }
  return windows;
}

static gboolean
leave_out (GstNpuEncoder * self, const Backlog * backlog)
{
  guint64 first = npu_windows_first_needed (&self->windows), lost;
  guint32 windows = backlog->keep > 0 ?
      leave_out_pieces (self, backlog->keep, &lost) :
      npu_windows_drop (&self->windows, backlog->end, &lost);

  if (windows == 0)
    return FALSE;
  GST_DEBUG_OBJECT (self, "leaving out %u windows, %" G_GUINT64_FORMAT
      " frames are in none", windows, lost);
  self->counters.skipped += windows;
  self->counters.lost_frames += lost;
  self->discont = TRUE;
  announce (self, first, lost, windows);
  gst_npu_encoder_trim (self);
  return TRUE;
}

gboolean
gst_npu_encoder_drop_windows (GstNpuEncoder * self)
{
  Backlog backlog = measure_backlog (self);

  return leave_out (self, &backlog);
}

void
gst_npu_encoder_check_overload (GstNpuEncoder * self)
{
  Backlog backlog = measure_backlog (self);
  const NpuOverloadStep *step;

  if (npu_overload_update (&self->overload, backlog.frames)) {
    step = npu_overload_step (&self->overload);
    GST_INFO_OBJECT (self, "overload: %s, windows of %u frames every %u",
        gst_npu_encoder_overload_name (self), step->window, step->hop);
    npu_windows_set_lengths (&self->windows, step->window, step->hop);
    announce (self, npu_windows_first_needed (&self->windows), 0, 0);
    backlog = measure_backlog (self);
  }
  step = npu_overload_step (&self->overload);
  if (step->level == NPU_OVERLOAD_DROP && backlog.frames > step->hop)
    leave_out (self, &backlog);
}

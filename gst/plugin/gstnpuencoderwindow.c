/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Windows of npuencoder: forming them out of frames, handing them to the core's
 * executor, and making buffers of what comes back. All of it runs in the source
 * pad's task, which alone uses the executor; only answers come from elsewhere.
 */
#include "gstnpuencoder.h"

#include <gstnpumessages.h>
#include <gstnpuwindowmeta.h>

#include "gstnpuerror.h"

GST_DEBUG_CATEGORY_EXTERN (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

/* Frames that neither a later window nor one in flight covers. */
void
gst_npu_encoder_trim (GstNpuEncoder * self)
{
  guint64 first = npu_windows_first_needed (&self->windows);

  for (guint i = 0; i < self->depth; i++)
    if (self->slots[i].busy)
      first = MIN (first, self->slots[i].window.first);
  /* windows begin before the next frame; beyond it nothing can be needless */
  npu_ring_trim (self->ring, MIN (first, npu_ring_newest (self->ring)));
  g_cond_broadcast (&self->space);
}

/* ----------------------------------------------------------- answers */

/* What a states buffer keeps until its last copy is gone. */
typedef struct
{
  GWeakRef encoder;
  guint64 id;
} WindowOwner;

void
gst_npu_encoder_take_answer (GstNpuEncoder * self, guint64 id, guint64 next)
{
  if (!npu_windows_answer (&self->windows, id, next))
    return;
  GST_LOG_OBJECT (self, "window %" G_GUINT64_FORMAT " is done, next frame %"
      G_GUINT64_FORMAT, id, next);
  self->awaiting = FALSE;
  if (self->ring)
    gst_npu_encoder_trim (self);
  g_cond_signal (&self->work);
}

/* Nobody is going to answer any more: all of the window is done with. */
static void
window_released (gpointer data)
{
  WindowOwner *owner = data;
  GstNpuEncoder *self = g_weak_ref_get (&owner->encoder);

  if (self) {
    g_mutex_lock (&self->lock);
    gst_npu_encoder_take_answer (self, owner->id, G_MAXUINT64);
    g_mutex_unlock (&self->lock);
    gst_object_unref (self);
  }
  g_weak_ref_clear (&owner->encoder);
  g_free (owner);
}

static void
add_window_meta (GstNpuEncoder * self, GstBuffer * buffer,
    const GstNpuEncoderSlot * slot)
{
  WindowOwner *owner = g_new0 (WindowOwner, 1);
  GstNpuWindow window = {
    .id = slot->window.id,
    .first_sample = slot->window.first * GST_NPU_SAMPLES_PER_FRAME,
    .positions = slot->positions,
    .valid_positions = MIN ((slot->window.frames + 1) / 2, slot->positions),
    .full = slot->full,
    .final = slot->window.final,
    .peak = slot->peak,
  };

  g_weak_ref_init (&owner->encoder, self);
  owner->id = window.id;
  gst_npu_window_meta_on_release (gst_buffer_add_npu_window_meta (buffer,
          &window), window_released, owner);
}

/* ------------------------------------------------------------ forming */

guint
gst_npu_encoder_max_states (const GstNpuEncoder * self)
{
  return MAX (self->max_states, self->depth + 2);
}

/* Counts buffers of states that hold another window's than before. */
static void
count_reuse (GstNpuEncoder * self, GstBuffer * states)
{
  GQuark used = g_quark_from_static_string ("gst-npu-states-used");
  GstMiniObject *object = GST_MINI_OBJECT_CAST (states);

  if (gst_mini_object_get_qdata (object, used))
    self->counters.reused_states++;
  else
    gst_mini_object_set_qdata (object, used, GINT_TO_POINTER (TRUE), NULL);
}

/* Memory for the states of the next window, without waiting for any. */
static gboolean
have_states (GstNpuEncoder * self)
{
  GstBufferPoolAcquireParams params = {
    .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT
  };

  if (!self->next_states
      && gst_buffer_pool_acquire_buffer (self->pool, &self->next_states,
          &params) == GST_FLOW_OK)
    count_reuse (self, self->next_states);
  self->starved = self->next_states == NULL;
  return !self->starved;
}

/* The lock is held. */
static gboolean
have_slot (GstNpuEncoder * self)
{
  guint32 slot;

  if (self->open_slot < 0 && npu_encoder_open (self->encoder,
          self->windows.next_id, &slot) == NPU_OK)
    self->open_slot = slot;
  return self->open_slot >= 0;
}

gboolean
gst_npu_encoder_can_submit (GstNpuEncoder * self)
{
  return have_slot (self) && have_states (self);
}

gboolean
gst_npu_encoder_can_upload (GstNpuEncoder * self)
{
  /* asking for a slot that is not there counts as a stall, and nothing has to
   * be uploaded this early */
  return npu_ring_newest (self->ring) > self->uploaded
      && (self->open_slot >= 0 || self->in_flight < self->depth)
      && have_slot (self);
}

void
gst_npu_encoder_form_window (GstNpuEncoder * self, const NpuWindow * window)
{
  GstNpuEncoderSlot *slot = &self->slots[self->open_slot];

  slot->busy = TRUE;
  slot->window = *window;
  slot->full = window->final || window->frames == self->windows.window;
  slot->positions = npu_encoder_positions (self->model, self->context,
      window->frames + (window->final ? GST_NPU_ENCODER_FRAMES_AFTER_END : 0));
  slot->peak = npu_ring_peak (self->ring, window->first, window->frames);
  slot->pts = gst_npu_encoder_frame_time (self, window->first);
  slot->heard = gst_npu_encoder_arrival (self,
      window->first + window->frames).heard;
  slot->discont = self->discont;
  slot->generation = self->generation;
  slot->submitted = self->last_formed = g_get_monotonic_time ();
  self->last_end = gst_npu_encoder_end_time (self,
      window->first + window->frames);
  slot->states = g_steal_pointer (&self->next_states);
  self->in_flight++;
  self->discont = FALSE;
  self->awaiting = self->windows.driven;
  self->awaited = window->id;
  GST_LOG_OBJECT (self, "window %" G_GUINT64_FORMAT " of %u frames at %"
      GST_TIME_FORMAT " in slot %d", (guint64) window->id, window->frames,
      GST_TIME_ARGS (slot->pts), self->open_slot);
}

/* ------------------------------------------------------------ working */

/* Frames before @end, as far as the device lacks them. */
static NpuStatus
upload_until (GstNpuEncoder * self, guint slot, guint64 end, NpuError * error)
{
  NpuStatus status;
  NpuView frames[2];
  gboolean more;

  do {
    more = npu_ring_to_upload (self->ring, end, frames);
    status = npu_encoder_upload (self->encoder, slot, frames, error);
  } while (more && status == NPU_OK);
  return status;
}

NpuStatus
gst_npu_encoder_upload (GstNpuEncoder * self, NpuError * error)
{
  guint64 end;

  g_mutex_lock (&self->lock);
  end = self->uploaded = npu_ring_newest (self->ring);
  g_mutex_unlock (&self->lock);
  return upload_until (self, self->open_slot, end, error);
}

/* Where the states of @slot go, which lie in memory of ours. */
static NpuView
states_view (const GstNpuEncoderSlot * slot)
{
  GstMemory *memory = gst_buffer_peek_memory (slot->states, 0);

  return (NpuView) {
    .buffer = gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (memory)),
    .offset = gst_npu_memory_get_offset (GST_NPU_MEMORY_CAST (memory)),
  };
}

/* The window in @slot will not run. */
static void
give_up (GstNpuEncoder * self, guint index)
{
  GstNpuEncoderSlot *slot = &self->slots[index];

  npu_encoder_close (self->encoder, index);
  gst_clear_buffer (&slot->states);
  g_mutex_lock (&self->lock);
  slot->busy = FALSE;
  self->in_flight--;
  self->counters.orphans++;
  g_mutex_unlock (&self->lock);
}

NpuStatus
gst_npu_encoder_submit (GstNpuEncoder * self, NpuError * error)
{
  guint index = self->open_slot;
  const GstNpuEncoderSlot *slot = &self->slots[index];
  NpuEncoderWindow window = {
    .positions = slot->positions,
    .states = states_view (slot),
  };
  guint64 end = slot->window.first + slot->window.frames;
  NpuStatus status;

  g_mutex_lock (&self->lock);
  self->uploaded = MAX (self->uploaded, end);
  status = npu_ring_view (self->ring, slot->window.first,
      slot->window.frames, window.frames);
  self->open_slot = -1;
  g_mutex_unlock (&self->lock);
  if (status != NPU_OK)
    npu_error_set (error, status, "frames of a window are gone");
  else
    status = upload_until (self, index, end, error);
  if (status == NPU_OK)
    status = npu_encoder_submit (self->encoder, index, &window, 1, error);
  if (status != NPU_OK)
    give_up (self, index);
  return status;
}

/* ----------------------------------------------------------- results */

/* Dress the states of @slot for their way downstream. */
static GstBuffer *
finish_buffer (GstNpuEncoder * self, GstNpuEncoderSlot * slot)
{
  GstBuffer *buffer = g_steal_pointer (&slot->states);
  gsize size = (gsize) slot->positions
      * npu_model_config (self->model)->audio_width * sizeof (gfloat);

  gst_buffer_set_size (buffer, size);
  GST_BUFFER_PTS (buffer) = slot->pts;
  GST_BUFFER_DURATION (buffer) =
      slot->window.frames * GST_NPU_FRAME_DURATION;
  if (slot->discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  add_window_meta (self, buffer, slot);
  return buffer;
}

/* The window in @slot has ended. Returns whether its result is still wanted. */
static gboolean
retire_slot (GstNpuEncoder * self, GstNpuEncoderSlot * slot,
    gboolean succeeded)
{
  gboolean wanted;

  g_mutex_lock (&self->lock);
  wanted = slot->generation == self->generation;
  slot->busy = FALSE;
  self->in_flight--;
  if (wanted && succeeded)
    gst_npu_encoder_count_window (self, slot);
  else
    self->counters.orphans++;
  self->last_finished = g_get_monotonic_time ();
  gst_npu_encoder_trim (self);
  g_mutex_unlock (&self->lock);
  return wanted;
}

NpuStatus
gst_npu_encoder_collect (GstNpuEncoder * self, GstBuffer ** buffer,
    NpuError * error)
{
  GstNpuEncoderSlot *slot;
  NpuStatus status;
  guint32 index = self->depth;

  *buffer = NULL;
  g_mutex_lock (&self->lock);
  self->poll = FALSE;
  g_mutex_unlock (&self->lock);
  status = npu_encoder_collect (self->encoder, 0, &index, error);
  if (status == NPU_ETIMEDOUT)
    return NPU_OK;
  if (index == self->depth)
    return status;              /* of no slot */

  slot = &self->slots[index];
  npu_encoder_close (self->encoder, index);
  g_mutex_lock (&self->lock);
  self->poll = TRUE;            /* the next one may have ended too */
  g_mutex_unlock (&self->lock);
  if (!retire_slot (self, slot, status == NPU_OK)) {
    GST_DEBUG_OBJECT (self, "dropping a window from before the flush");
    gst_clear_buffer (&slot->states);
    return NPU_OK;
  }
  if (status == NPU_OK)
    *buffer = finish_buffer (self, slot);
  else
    gst_clear_buffer (&slot->states);
  return status;
}

void
gst_npu_encoder_run_ended (gpointer user)
{
  GstNpuEncoder *self = user;

  g_mutex_lock (&self->lock);
  self->poll = TRUE;
  g_cond_signal (&self->work);
  g_mutex_unlock (&self->lock);
}

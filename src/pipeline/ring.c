/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ring of log-mel frames in one device buffer, counted in places of a frame
 * each: first those that are leased, then one for each frame number modulo the
 * capacity. Two tables say the rest. For every frame kept: its place, whether
 * the device has it, and its highest value. For every place that can be
 * leased: whether a lease holds it, and which frame was committed there, which
 * the place belongs to until that frame is trimmed, even if it was copied
 * since: views of it may be out.
 */
#include "pipeline/ring.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* log10 of the lowest power that the front end gives out. */
#define SILENCE (-10.0f)

/* What NpuView asks of an offset, in bytes. */
#define VIEW_ALIGNMENT 64

/* Parts of the slab, in capacities. */
#define LEASED_PART 2
#define SLAB_PARTS 3

#define MAX_CAPACITY (UINT32_C (1) << 30)

/* No frame gets this number. */
#define NO_FRAME UINT64_MAX

typedef struct
{
  float peak;
  uint32_t place;
  bool uploaded;                /* from that place */
} Frame;

typedef struct
{
  uint64_t frame;               /* committed there last */
  bool held;                    /* by a lease */
} Place;

typedef struct
{
  uint32_t id;                  /* a multiple of NPU_RING_LEASES more each time
                                 * that this entry is used */
  uint32_t place;
  uint32_t frames;              /* 0: not out */
  uint32_t committed;           /* or left out, from the range's beginning */
} Lease;

struct NpuFrameRing
{
  pthread_mutex_t lock;         /* for all that changes but the references */
  atomic_uint references;
  NpuBuffer *slab;
  char *host;
  size_t frame_size;
  uint32_t bands;
  uint32_t capacity;

  uint64_t oldest;
  uint64_t newest;
  uint64_t wanted;              /* frames before it are dropped as they come */
  uint64_t uploaded;            /* every frame kept before it is */
  Frame *frames;                /* one per frame kept, by number modulo
                                 * capacity */
  Place *places;                /* one per place that can be leased */
  uint32_t next_place;          /* behind the last lease */
  NpuRingStatistics statistics;

  Lease leases[NPU_RING_LEASES];
  uint16_t free_leases[NPU_RING_LEASES];
  uint32_t free_lease_count;
};

static void
lock_ring (const NpuFrameRing * ring)
{
  pthread_mutex_lock ((pthread_mutex_t *) & ring->lock);
}

static void
unlock_ring (const NpuFrameRing * ring)
{
  pthread_mutex_unlock ((pthread_mutex_t *) & ring->lock);
}

static uint32_t
leasable_places (const NpuFrameRing * ring)
{
  return LEASED_PART * ring->capacity;
}

/* ------------------------------------------------------ life and death */

/* The next frame gets number @first, and no place belongs to a frame. */
static void
forget_frames (NpuFrameRing * ring, uint64_t first)
{
  ring->oldest = ring->newest = ring->wanted = ring->uploaded = first;
  for (uint32_t i = 0; i < leasable_places (ring); i++)
    ring->places[i].frame = NO_FRAME;
}

NpuStatus
npu_ring_create (NpuDevice * device, uint32_t bands, uint32_t capacity,
    NpuFrameRing ** ring, NpuError * error)
{
  NpuFrameRing *self;
  NpuStatus status;
  size_t frame_size = (size_t) bands * sizeof (float);

  if (!device || !ring || !bands || !capacity || capacity > MAX_CAPACITY ||
      frame_size % VIEW_ALIGNMENT != 0 ||
      capacity > SIZE_MAX / SLAB_PARTS / frame_size)
    return npu_error_set (error, NPU_EINVAL, "A ring of %u frames of %u bands "
        "is not possible: both must be positive and fit memory, bands a "
        "multiple of %zu", capacity, bands, VIEW_ALIGNMENT / sizeof (float));

  self = calloc (1, sizeof (*self));
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a ring");
  pthread_mutex_init (&self->lock, NULL);
  atomic_init (&self->references, 1);
  self->frame_size = frame_size;
  self->bands = bands;
  self->capacity = capacity;
  self->frames = calloc (capacity, sizeof (*self->frames));
  self->places = calloc (leasable_places (self), sizeof (*self->places));
  if (!self->frames || !self->places)
    status = npu_error_set (error, NPU_ENOMEM,
        "Out of memory for a ring of %u frames", capacity);
  else
    status = npu_buffer_create (device, SLAB_PARTS * capacity * frame_size, 0,
        &self->slab, error);
  if (status != NPU_OK) {
    npu_ring_unref (self);
    return status;
  }
  self->host = npu_buffer_host (self->slab);
  for (uint32_t i = 0; i < NPU_RING_LEASES; i++) {
    self->leases[i].id = i;
    self->free_leases[i] = (uint16_t) (NPU_RING_LEASES - 1 - i);
  }
  self->free_lease_count = NPU_RING_LEASES;
  forget_frames (self, 0);
  *ring = self;
  return NPU_OK;
}

NpuFrameRing *
npu_ring_ref (NpuFrameRing * ring)
{
  atomic_fetch_add (&ring->references, 1);
  return ring;
}

void
npu_ring_unref (NpuFrameRing * ring)
{
  if (!ring || atomic_fetch_sub (&ring->references, 1) > 1)
    return;
  npu_buffer_unref (ring->slab);
  free (ring->frames);
  free (ring->places);
  pthread_mutex_destroy (&ring->lock);
  free (ring);
}

NpuBuffer *
npu_ring_slab (const NpuFrameRing * ring)
{
  return ring->slab;
}

uint32_t
npu_ring_bands (const NpuFrameRing * ring)
{
  return ring->bands;
}

uint32_t
npu_ring_capacity (const NpuFrameRing * ring)
{
  return ring->capacity;
}

void
npu_ring_reset (NpuFrameRing * ring, uint64_t first)
{
  lock_ring (ring);
  forget_frames (ring, first);
  unlock_ring (ring);
}

/* ---------------------------------------------------- frames that come */

static Frame *
frame_entry (const NpuFrameRing * ring, uint64_t number)
{
  return &ring->frames[number % ring->capacity];
}

/* The place that no other frame kept can have. */
static uint32_t
own_place (const NpuFrameRing * ring, uint64_t number)
{
  return leasable_places (ring) + (uint32_t) (number % ring->capacity);
}

static float *
values_at (const NpuFrameRing * ring, uint32_t place)
{
  return (float *) (ring->host + place * ring->frame_size);
}

/* Not NaN even where a value is: fmaxf() takes the other one. */
static float
highest (const float *values, uint32_t count)
{
  float peak = SILENCE;

  for (uint32_t i = 0; i < count; i++)
    peak = fmaxf (peak, values[i]);
  return peak;
}

/* Number and count @values, which lie at @place, as the newest frame. */
static void
append (NpuFrameRing * ring, uint32_t place)
{
  *frame_entry (ring, ring->newest) = (Frame) {
    .peak = highest (values_at (ring, place), ring->bands),
    .place = place,
    .uploaded = false,
  };
  ring->newest++;
}

/* Of @count frames that come now, count those that nobody wants as come and
 * gone. Returns how many. */
static uint32_t
drop_unwanted (NpuFrameRing * ring, uint32_t count)
{
  uint32_t dropped = count;

  if (ring->wanted <= ring->newest)
    return 0;
  if (ring->wanted - ring->newest < count)
    dropped = (uint32_t) (ring->wanted - ring->newest);
  ring->newest += dropped;
  ring->oldest = ring->newest;
  return dropped;
}

static uint32_t
room_for (const NpuFrameRing * ring, uint32_t count)
{
  uint32_t room = ring->capacity - (uint32_t) (ring->newest - ring->oldest);

  return count < room ? count : room;
}

uint32_t
npu_ring_push (NpuFrameRing * ring, const float *frames, uint32_t count)
{
  uint32_t dropped, fitting;

  lock_ring (ring);
  dropped = drop_unwanted (ring, count);
  fitting = room_for (ring, count - dropped);
  frames += (size_t) dropped *ring->bands;
  for (uint32_t i = 0; i < fitting; i++) {
    uint32_t place = own_place (ring, ring->newest);

    memcpy (values_at (ring, place), frames, ring->frame_size);
    append (ring, place);
    frames += ring->bands;
  }
  if (fitting > 0) {
    ring->statistics.frames_copied += fitting;
    ring->statistics.copies++;
  }
  unlock_ring (ring);
  return dropped + fitting;
}

/* -------------------------------------------------------------- leases */

static bool
place_is_free (const NpuFrameRing * ring, uint32_t place)
{
  const Place *entry = &ring->places[place];

  return !entry->held
      && (entry->frame < ring->oldest || entry->frame >= ring->newest);
}

/* Find @count free places side by side that begin at @begin or behind it, and
 * before @end. Returns the first one, or where the area ends. */
static uint32_t
find_free (const NpuFrameRing * ring, uint32_t begin, uint32_t end,
    uint32_t count)
{
  uint32_t found = 0;           /* free places before the one looked at */
  uint32_t places = leasable_places (ring);

  for (uint32_t i = begin; i < places && i - found < end; i++) {
    found = place_is_free (ring, i) ? found + 1 : 0;
    if (found == count)
      return i + 1 - count;
  }
  return places;
}

NpuStatus
npu_ring_lease (NpuFrameRing * ring, uint32_t frames, NpuRingLease * lease)
{
  uint32_t places = leasable_places (ring);
  uint32_t place = places;
  Lease *entry;

  if (frames == 0 || frames > ring->capacity)
    return NPU_EINVAL;
  lock_ring (ring);
  if (ring->free_lease_count > 0)
    place = find_free (ring, ring->next_place, places, frames);
  if (ring->free_lease_count > 0 && place == places)
    place = find_free (ring, 0, ring->next_place, frames);
  if (place == places) {
    ring->statistics.refused_leases++;
    unlock_ring (ring);
    return NPU_EBUSY;
  }
  for (uint32_t i = 0; i < frames; i++)
    ring->places[place + i].held = true;
  ring->next_place = place + frames;
  entry = &ring->leases[ring->free_leases[--ring->free_lease_count]];
  entry->id += NPU_RING_LEASES;
  entry->place = place;
  entry->frames = frames;
  entry->committed = 0;
  lease->id = entry->id;
  lease->frames = frames;
  lease->offset = place * ring->frame_size;
  unlock_ring (ring);
  return NPU_OK;
}

/* Returns the entry of a lease that is out, or NULL. */
static Lease *
find_lease (NpuFrameRing * ring, const NpuRingLease * lease)
{
  Lease *entry = &ring->leases[lease->id % NPU_RING_LEASES];

  return entry->id == lease->id && entry->frames > 0 ? entry : NULL;
}

uint32_t
npu_ring_commit (NpuFrameRing * ring, const NpuRingLease * lease,
    uint32_t skip, uint32_t frames)
{
  uint32_t taken = 0, fitting;
  Lease *entry;

  lock_ring (ring);
  entry = find_lease (ring, lease);
  if (entry && skip >= entry->committed && skip <= entry->frames
      && frames <= entry->frames - skip) {
    uint32_t place = entry->place + skip;

    taken = drop_unwanted (ring, frames);
    fitting = room_for (ring, frames - taken);
    for (uint32_t i = 0; i < fitting; i++) {
      ring->places[place + taken + i].frame = ring->newest;
      append (ring, place + taken + i);
    }
    taken += fitting;
    if (taken > 0)
      entry->committed = skip + taken;
    ring->statistics.frames_in_place += fitting;
  }
  unlock_ring (ring);
  return taken;
}

void
npu_ring_release (NpuFrameRing * ring, const NpuRingLease * lease)
{
  Lease *entry;

  lock_ring (ring);
  entry = find_lease (ring, lease);
  if (entry) {
    for (uint32_t i = 0; i < entry->frames; i++)
      ring->places[entry->place + i].held = false;
    entry->frames = 0;
    ring->free_leases[ring->free_lease_count++] =
        (uint16_t) (entry->id % NPU_RING_LEASES);
  }
  unlock_ring (ring);
}

/* ---------------------------------------------------- frames that are kept */

uint64_t
npu_ring_oldest (const NpuFrameRing * ring)
{
  uint64_t oldest;

  lock_ring (ring);
  oldest = ring->oldest;
  unlock_ring (ring);
  return oldest;
}

uint64_t
npu_ring_newest (const NpuFrameRing * ring)
{
  uint64_t newest;

  lock_ring (ring);
  newest = ring->newest;
  unlock_ring (ring);
  return newest;
}

uint32_t
npu_ring_space (const NpuFrameRing * ring)
{
  uint64_t space;

  lock_ring (ring);
  space = ring->capacity - (ring->newest - ring->oldest);
  if (ring->wanted > ring->newest)
    space += ring->wanted - ring->newest;
  unlock_ring (ring);
  return space < UINT32_MAX ? (uint32_t) space : UINT32_MAX;
}

void
npu_ring_trim (NpuFrameRing * ring, uint64_t first)
{
  lock_ring (ring);
  if (first > ring->newest) {
    ring->oldest = ring->newest;
    if (first > ring->wanted)
      ring->wanted = first;
  } else if (first > ring->oldest) {
    ring->oldest = first;
  }
  unlock_ring (ring);
}

/* --------------------------------------------------------------- views */

/* Describe the frames from @begin to @end, but those that the device has if
 * @missing, as up to two ranges. Returns the first frame that was not looked
 * at, for want of a third range, or @end. */
static uint64_t
describe (const NpuFrameRing * ring, uint64_t begin, uint64_t end,
    bool missing, NpuView views[2])
{
  uint32_t behind = 0;          /* place behind the last range */
  uint64_t number;
  int ranges = 0;

  views[0] = views[1] = (NpuView) { .buffer = ring->slab };
  for (number = begin; number < end; number++) {
    const Frame *frame = frame_entry (ring, number);

    if (missing && frame->uploaded)
      continue;
    if (ranges == 0 || frame->place != behind) {
      if (ranges == 2)
        break;
      views[ranges++].offset = frame->place * ring->frame_size;
    }
    views[ranges - 1].rows++;
    behind = frame->place + 1;
  }
  return number;
}

/* Copy those of the frames from @begin to @end that are elsewhere to their own
 * places, where the device has to get them anew. */
static void
bring_home (NpuFrameRing * ring, uint64_t begin, uint64_t end)
{
  for (uint64_t number = begin; number < end; number++) {
    Frame *frame = frame_entry (ring, number);
    uint32_t own = own_place (ring, number);

    if (frame->place == own)
      continue;
    memcpy (values_at (ring, own), values_at (ring, frame->place),
        ring->frame_size);
    frame->place = own;
    frame->uploaded = false;
    if (number < ring->uploaded)
      ring->uploaded = number;
    ring->statistics.frames_copied++;
  }
  ring->statistics.copies++;
}

NpuStatus
npu_ring_view (NpuFrameRing * ring, uint64_t first, uint32_t count,
    NpuView views[2])
{
  NpuStatus status = NPU_EINVAL;

  lock_ring (ring);
  if (first >= ring->oldest && first <= ring->newest
      && count <= ring->newest - first) {
    uint64_t end = first + count;

    if (describe (ring, first, end, false, views) < end) {
      bring_home (ring, first, end);
      describe (ring, first, end, false, views);
    }
    status = NPU_OK;
  }
  unlock_ring (ring);
  return status;
}

bool
npu_ring_to_upload (NpuFrameRing * ring, uint64_t end, NpuView views[2])
{
  uint64_t begin, described;

  lock_ring (ring);
  begin = ring->uploaded > ring->oldest ? ring->uploaded : ring->oldest;
  if (end > ring->newest)
    end = ring->newest;
  if (end < begin)
    end = begin;
  described = describe (ring, begin, end, true, views);
  for (uint64_t number = begin; number < described; number++)
    frame_entry (ring, number)->uploaded = true;
  ring->uploaded = described;
  ring->statistics.uploaded_bytes +=
      ((uint64_t) views[0].rows + views[1].rows) * ring->frame_size;
  unlock_ring (ring);
  return described < end;
}

NpuStatus
npu_ring_upload (NpuFrameRing * ring, uint64_t end, NpuError * error)
{
  NpuStatus status = NPU_OK;
  NpuView views[2];
  bool more;

  do {
    more = npu_ring_to_upload (ring, end, views);
    for (int i = 0; i < 2; i++) {
      if (status == NPU_OK && views[i].rows > 0)
        status = npu_buffer_sync (views[i].buffer, NPU_SYNC_TO_DEVICE,
            views[i].offset, views[i].rows * ring->frame_size);
    }
  } while (more);
  if (status != NPU_OK)
    return npu_error_set (error, status, "Frames did not get to the device "
        "(%s); reset it or open it again", npu_status_name (status));
  return NPU_OK;
}

float
npu_ring_peak (const NpuFrameRing * ring, uint64_t first, uint32_t count)
{
  float peak = SILENCE;

  lock_ring (ring);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t number = first + i;

    if (number >= ring->oldest && number < ring->newest)
      peak = fmaxf (peak, frame_entry (ring, number)->peak);
  }
  unlock_ring (ring);
  return peak;
}

void
npu_ring_statistics (const NpuFrameRing * ring,
    NpuRingStatistics * statistics)
{
  lock_ring (ring);
  *statistics = ring->statistics;
  unlock_ring (ring);
}

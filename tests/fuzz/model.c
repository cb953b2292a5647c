/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opens mutated model files, and reads and runs whatever opens. Nothing is
 * asserted of the result but that it is consistent: a crash, a sanitizer's
 * report or an error without a message is the finding.
 *
 * usage: fuzz-model SECONDS [SEED]; the seed is printed, and so is the number
 * of files tried, from which a finding can be repeated.
 */
#include "decoder/decoder.h"
#include "encoder/encoder.h"
#include "model-writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_MUTATIONS 6

typedef struct
{
  uint64_t random;
  NpuDevice *device;
  size_t tried, opened, decoded;
} Fuzz;

static size_t
random_below (Fuzz * fuzz, size_t limit)
{
  return limit ? (size_t) (random_next (&fuzz->random) % limit) : 0;
}

/* A number that breaks things more often than chance would. */
static uint32_t
interesting (Fuzz * fuzz)
{
  static const uint32_t numbers[] = {
    0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 63, 64, 65, 80, 127, 128, 255, 256,
    1500, 4095, 4096, 4097, 32767, 51864, 51865, 51866, 65535, 65536, 262144,
    0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
  };

  return random_below (fuzz, 4) ? numbers[random_below (fuzz,
          sizeof (numbers) / sizeof (numbers[0]))]
      : (uint32_t) random_next (&fuzz->random);
}

/* A place in @buffer: mostly near its start, or near one of @hot. */
static size_t
random_place (Fuzz * fuzz, const Buffer * buffer, const size_t *hot,
    size_t hot_count)
{
  size_t place;

  switch (random_below (fuzz, 4)) {
    case 0:
      place = random_below (fuzz, buffer->size);
      break;
    case 1:
      place = random_below (fuzz, 64);
      break;
    default:
      place = hot_count ? hot[random_below (fuzz, hot_count)]
          + random_below (fuzz, 64) : random_below (fuzz, buffer->size);
      break;
  }
  return place < buffer->size ? place : buffer->size - 1;
}

static void
mutate (Fuzz * fuzz, Buffer * buffer, const size_t *hot, size_t hot_count)
{
  size_t at = random_place (fuzz, buffer, hot, hot_count);
  size_t rest = buffer->size - at, length;

  switch (random_below (fuzz, 6)) {
    case 0:
      buffer->data[at] ^= (uint8_t) (1 << random_below (fuzz, 8));
      break;
    case 1:
      buffer->data[at] = (uint8_t) random_next (&fuzz->random);
      break;
    case 2:
      if (rest >= 4)
        buffer_set_u32 (buffer, at & ~(size_t) 3, interesting (fuzz));
      break;
    case 3:
      if (rest >= 4)
        buffer_set_u32 (buffer, at, interesting (fuzz));
      break;
    case 4:
      /* leave a piece out */
      length = random_below (fuzz, rest < 200 ? rest : 200);
      memmove (buffer->data + at, buffer->data + at + length, rest - length);
      buffer->size -= length;
      break;
    default:
      if (random_below (fuzz, 4)) {
        /* copy a piece over another */
        size_t from = random_below (fuzz, buffer->size);

        length = buffer->size - (from > at ? from : at);
        memmove (buffer->data + at, buffer->data + from,
            length < 64 ? length : 64);
      } else {
        buffer->size = at + 1;
      }
      break;
  }
}

/* Digits, brackets and names matter in JSON, not bits. */
static void
mutate_text (Fuzz * fuzz, Buffer * buffer, size_t start, size_t length)
{
  static const char characters[] = "0123456789-+.eE[]{}\",:\\ntfu\xff\x80<|>a";
  size_t at = start + random_below (fuzz, length);

  if (at < buffer->size)
    buffer->data[at] = (uint8_t) characters[random_below (fuzz,
            sizeof (characters) - 1)];
}

static void
fail (const Fuzz * fuzz, const char *what)
{
  printf ("file %zu: %s\n", fuzz->tried, what);
  fflush (stdout);
  abort ();
}

static void
read_model (Fuzz * fuzz, const NpuModelFile * file)
{
  NpuTokenizer *tokenizer;
  NpuError error = { 0 };
  volatile float sum = 0;

  fuzz->opened++;
  for (size_t i = 0; i < npu_model_file_tensor_count (file); i++) {
    const NpuTensorInfo *info = npu_model_file_tensor_at (file, i);
    float *values = malloc (info->rows * info->columns * sizeof (float));

    if (!values || npu_model_file_read_rows (file, info, 0, info->rows,
            values) != NPU_OK)
      fail (fuzz, "a tensor cannot be read");
    sum += values[info->rows * info->columns - 1];
    free (values);
  }
  if (npu_tokenizer_new (file, &tokenizer, &error) == NPU_OK) {
    for (int32_t i = 0; i < npu_tokenizer_size (tokenizer); i++) {
      size_t size;
      const uint8_t *bytes = npu_tokenizer_bytes (tokenizer, i, &size);

      for (size_t j = 0; j < size; j++)
        sum += bytes[j];
    }
  } else if (!*error.message) {
    fail (fuzz, "an error of the tokenizer without a message");
  }
  npu_tokenizer_free (tokenizer);
}

static void
check_transcript (const Fuzz * fuzz, const NpuDecoderWindow * window,
    const NpuTranscript * transcript)
{
  uint32_t end = 0;

  for (size_t i = 0; i < transcript->count; i++) {
    const NpuSegment *segment = &transcript->segments[i];

    if (segment->start < end || segment->end <= segment->start
        || !*segment->text)
      fail (fuzz, "a segment that cannot be");
    end = segment->end;
  }
  if (end > window->valid || transcript->next > window->valid
      || transcript->next < end || (window->full && !transcript->next))
    fail (fuzz, "a next window that cannot be");
}

static void
decode_window (Fuzz * fuzz, NpuDecoder * decoder, const float *states,
    uint32_t positions)
{
  NpuDecoderWindow window = { states, positions, positions, false, true,
    random_below (fuzz, 2)
  };
  NpuTranscript transcript;
  NpuError error = { 0 };
  NpuStatus status = npu_decoder_decode (decoder, &window, &transcript,
      &error);

  if (status == NPU_OK)
    check_transcript (fuzz, &window, &transcript);
  else if (!*error.message)
    fail (fuzz, "an error of the decoder without a message");
  fuzz->decoded += status == NPU_OK;
}

/* Encodes a window of padding, and decodes that and rows that may hold
 * anything. */
static void
run_model (Fuzz * fuzz, NpuModel * model)
{
  const NpuModelConfig *config = npu_model_config (model);
  NpuEncoderWindow window = { .positions = config->audio_context };
  NpuDecoderOptions options = NPU_DECODER_OPTIONS_DEFAULT;
  NpuEncoder *encoder = NULL;
  NpuDecoder *decoder = NULL;
  NpuError error = { 0 };
  uint32_t slot;

  options.no_speech_threshold = 2;
  if (npu_decoder_create (model, &options, &decoder, &error) == NPU_OK &&
      npu_encoder_create (model, NULL, &encoder, &error) == NPU_OK &&
      npu_model_wait (model, NPU_MODEL_ENCODER, NPU_WAIT_FOREVER,
          &error) == NPU_OK &&
      npu_encoder_run (encoder, &window, 1, &slot, &error) == NPU_OK) {
    size_t count = (size_t) window.positions * config->audio_width;
    float *states = malloc (count * sizeof (*states));

    decode_window (fuzz, decoder, npu_encoder_states (encoder, slot, 0),
        window.positions);
    for (size_t i = 0; states && i < count; i++)
      states[i] = random_below (fuzz, 1000) ?
          (float) random_below (fuzz, 2001) / 500 - 2 :
          random_below (fuzz, 2) ? NAN : INFINITY;
    if (states)
      decode_window (fuzz, decoder, states, window.positions);
    free (states);
  } else if (!*error.message) {
    fail (fuzz, "an error of a model without a message");
  }
  npu_encoder_free (encoder);
  npu_decoder_free (decoder);
}

static void
try_model (Fuzz * fuzz, const char *path)
{
  NpuModelFile *file;
  NpuModel *model;
  NpuError error = { 0 };
  NpuStatus status = npu_model_file_open (path, &file, &error);

  fuzz->tried++;
  if (status == NPU_OK) {
    read_model (fuzz, file);
    if (npu_model_open (path, fuzz->device, (NpuPrecision)
            (NPU_PRECISION_FLOAT32 + random_below (fuzz, 3)), &model,
            &error) == NPU_OK) {
      run_model (fuzz, model);
      npu_model_unref (model);
    }
  } else if (!*error.message || file) {
    fail (fuzz, "an error without a message");
  }
  npu_model_file_unref (file);
}

static void
fuzz_ggml (Fuzz * fuzz, WriteType type)
{
  ModelSpec spec = model_spec_small;
  WrittenModel *model;
  GgmlLayout layout;
  Buffer buffer;
  size_t count = 1 + random_below (fuzz, MAX_MUTATIONS);

  spec.type = type;
  spec.audio_layers = 1 + random_below (fuzz, 2);
  model = written_model_new (&spec);
  buffer = written_model_ggml (model, &layout);
  for (size_t i = 0; i < count; i++) {
    if (random_below (fuzz, 4) == 0)
      mutate (fuzz, &buffer, &layout.vocabulary, 1);
    else
      mutate (fuzz, &buffer, layout.tensors, model->count);
  }
  write_file (test_path ("mutated.bin"), buffer.data, buffer.size);
  try_model (fuzz, test_path ("mutated.bin"));
  buffer_clear (&buffer);
  ggml_layout_clear (&layout);
  written_model_free (model);
}

/* Mutates one of the directory's files and puts it back afterwards. */
static void
fuzz_directory (Fuzz * fuzz)
{
  static const char *const names[] = {
    "model.safetensors", "config.json", "generation_config.json",
    "tokenizer.json",
  };
  const size_t which = random_below (fuzz, 4);
  const char *path = test_path_in ("mutated", names[which]);
  size_t count = 1 + random_below (fuzz, MAX_MUTATIONS);
  Buffer buffer = { 0 }, saved = { 0 };
  char chunk[4096];
  FILE *file = fopen (path, "rb");
  size_t got, text;

  if (!file)
    fail (fuzz, "a file of the directory is missing");
  while ((got = fread (chunk, 1, sizeof (chunk), file)) > 0)
    buffer_add (&buffer, chunk, got);
  fclose (file);
  buffer_add (&saved, buffer.data, buffer.size);

  /* the header of safetensors is in the first 8 kB */
  text = which == 0 ? 8000 : buffer.size;
  for (size_t i = 0; i < count && buffer.size > 0; i++) {
    if (random_below (fuzz, 3))
      mutate_text (fuzz, &buffer, which == 0 ? 8 : 0, text);
    else
      mutate (fuzz, &buffer, NULL, 0);
  }
  write_file (path, buffer.data, buffer.size);
  try_model (fuzz, test_path ("mutated"));
  write_file (path, saved.data, saved.size);
  buffer_clear (&buffer);
  buffer_clear (&saved);
}

static double
seconds_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

int
main (int argc, char **argv)
{
  double end = seconds_now () + (argc > 1 ? atof (argv[1]) : 1);
  uint64_t seed = argc > 2 ? strtoull (argv[2], NULL, 0)
      : (uint64_t) time (NULL);
  const NpuDeviceOptions options = {.threads = 2 };
  Fuzz fuzz = { .random = seed };
  WrittenModel *model = written_model_new (&model_spec_small);

  printf ("seed %llu\n", (unsigned long long) seed);
  fflush (stdout);
  if (npu_device_open ("cpu", &options, &fuzz.device, NULL) != NPU_OK)
    fail (&fuzz, "no device");
  test_path_in ("mutated", "");
  written_model_save (model, test_path ("mutated"));
  while (seconds_now () < end) {
    fuzz_ggml (&fuzz, (WriteType) random_below (&fuzz, WRITE_TYPES));
    fuzz_directory (&fuzz);
  }
  printf ("%zu files tried, %zu of them could be opened, %zu windows were "
      "decoded\n", fuzz.tried, fuzz.opened, fuzz.decoded);
  written_model_free (model);
  npu_device_unref (fuzz.device);
  return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checks that the tests of vocabularies share.
 */
#include "tokenizer-checks.h"

#include <check.h>
#include <string.h>

NpuModelFile *
open_model (const char *path)
{
  NpuModelFile *file;
  NpuError error = { 0 };
  NpuStatus status = npu_model_file_open (path, &file, &error);

  ck_assert_msg (status == NPU_OK, "%s", error.message);
  return file;
}

NpuTokenizer *
open_tokenizer (const char *path)
{
  NpuModelFile *file = open_model (path);
  NpuTokenizer *tokenizer;
  NpuError error = { 0 };
  NpuStatus status = npu_tokenizer_new (file, &tokenizer, &error);

  ck_assert_msg (status == NPU_OK, "%s", error.message);
  /* the tokenizer must not need the file any more */
  npu_model_file_unref (file);
  return tokenizer;
}

void
check_bytes (const NpuTokenizer * tokenizer, int32_t token, const char *text)
{
  size_t size;
  const uint8_t *bytes = npu_tokenizer_bytes (tokenizer, token, &size);

  ck_assert_ptr_nonnull (bytes);
  ck_assert_msg (size == strlen (text) && !memcmp (bytes, text, size),
      "token %d is '%.*s', not '%s'", token, (int) size, bytes, text);
}

static void
check_list (const int32_t * tokens, size_t count, const int32_t * expected,
    size_t expected_count)
{
  ck_assert_uint_eq (count, expected_count);
  for (size_t i = 0; i < count; i++)
    ck_assert_msg (tokens[i] == expected[i], "element %zu is %d, not %d", i,
        tokens[i], expected[i]);
}

void
check_suppressed (const NpuTokenizer * tokenizer, const int32_t * expected,
    size_t expected_count)
{
  size_t count;
  const int32_t *tokens = npu_tokenizer_suppressed (tokenizer, &count);

  check_list (tokens, count, expected, expected_count);
}

void
check_begin_suppressed (const NpuTokenizer * tokenizer, int32_t first,
    int32_t second)
{
  const int32_t expected[] = { first, second };
  size_t count;
  const int32_t *tokens = npu_tokenizer_begin_suppressed (tokenizer, &count);

  check_list (tokens, count, expected, COUNT (expected));
}

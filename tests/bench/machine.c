/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The machine, as Linux tells of it.
 */
#include "machine.h"

#include "cpu/cpu-features.h"
#include "output.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Where the system does not say. */
static const size_t usual_cache[] = { 32 << 10, 1 << 20, 32 << 20 };
#define MEMORY_MOST ((size_t) 512 << 20)
#define PAGE ((size_t) 4096)

unsigned
bench_cpu_count (unsigned most)
{
  cpu_set_t set;
  unsigned count;

  if (sched_getaffinity (0, sizeof (set), &set) != 0)
    return 1;
  count = CPU_COUNT (&set);
  return count < most ? count : most;
}

void
bench_pin_thread (unsigned index)
{
  cpu_set_t set, one;

  if (sched_getaffinity (0, sizeof (set), &set) != 0)
    return;
  index %= CPU_COUNT (&set);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET (cpu, &set) && index-- == 0) {
      CPU_ZERO (&one);
      CPU_SET (cpu, &one);
      sched_setaffinity (0, sizeof (one), &one);
      return;
    }
  }
}

/* Index 1 is the cache of instructions. sysconf() counts shared ones wrong. */
static size_t
cache_size (int level)
{
  static const char *const paths[] = {
    "/sys/devices/system/cpu/cpu0/cache/index0/size",
    "/sys/devices/system/cpu/cpu0/cache/index2/size",
    "/sys/devices/system/cpu/cpu0/cache/index3/size",
  };
  FILE *file = fopen (paths[level], "r");
  size_t kibibytes = 0;

  if (file) {
    if (fscanf (file, "%zuK", &kibibytes) != 1)
      kibibytes = 0;
    fclose (file);
  }
  return kibibytes > 0 ? kibibytes * 1024 : usual_cache[level];
}

size_t
bench_read_size (int level, unsigned threads)
{
  size_t size;

  if (level < 2) {
    size = cache_size (level) / 2;
  } else if (level == 2) {
    size = cache_size (2) / 2 / threads;
    if (size < 2 * cache_size (1))
      size = 2 * cache_size (1);
  } else {
    size = 4 * cache_size (2);
    if (size > MEMORY_MOST)
      size = MEMORY_MOST;
  }
  return (size + PAGE - 1) / PAGE * PAGE;
}

void *
bench_allocate (size_t size)
{
  void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED) {
    bench_say ("no %zu bytes of memory: %s", size, strerror (errno));
    return NULL;
  }
  madvise (memory, size, MADV_HUGEPAGE);
  return memory;
}

void
bench_free (void *memory, size_t size)
{
  if (memory)
    munmap (memory, size);
}

static void
read_name (char *name, size_t size)
{
  FILE *file = fopen ("/proc/cpuinfo", "r");
  char line[256];

  snprintf (name, size, "unknown processor");
  while (file && fgets (line, sizeof (line), file)) {
    char *value = strstr (line, ": ");

    if (strncmp (line, "model name", 10) == 0 && value) {
      value[strcspn (value, "\n")] = '\0';
      snprintf (name, size, "%s", value + 2);
      break;
    }
  }
  if (file)
    fclose (file);
}

json_t *
bench_machine_to_json (void)
{
  static const char *const names[NPU_CPU_FEATURES] = {
    NULL, "AVX2", "AVX-512", "AVX-512 bf16", "AVX-512 VNNI", "AVX VNNI",
    "AMX bf16", "AMX int8"
  };
  json_t *features = json_array ();
  char name[128];

  read_name (name, sizeof (name));
  for (int i = NPU_CPU_BASELINE + 1; i < NPU_CPU_FEATURES; i++)
    if (npu_cpu_has ((NpuCpuFeature) i))
      json_array_append_new (features, json_string (names[i]));
  return json_pack ("{s:s, s:o}", "machine", name, "features", features);
}

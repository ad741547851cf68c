{
  "target_defaults": {
    "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
    "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "_FILE_OFFSET_BITS=64"],
    "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-O2", "-fvisibility=hidden"],
    "cflags_cc!": ["-fno-rtti", "-std=gnu++17", "-std=gnu++20", "-Wno-unused-parameter"]
  },
  "targets": [
    {
      "target_name": "gfserve_system",
      "sources": ["addon/credentials.cc", "addon/notify.cc", "addon/system.cc"]
    },
    {
      "target_name": "gfserve_http",
      "sources": [
        "addon/access_line.cc",
        "addon/eager_turns.cc",
        "addon/http.cc",
        "addon/quick_path.cc",
        "addon/quick_table.cc",
        "addon/request_fields.cc",
        "addon/response_socket.cc"
      ]
    },
    {
      "target_name": "gfserve",
      "sources": [
        "addon/addon.cc",
        "addon/block_pool.cc",
        "addon/environment.cc",
        "addon/jobs.cc",
        "addon/path_walk.cc",
        "addon/sockets.cc",
        "addon/status.cc",
        "addon/thread_pool.cc",
        "addon/volume.cc",
        "addon/watch_job.cc"
      ],
      "cflags_cc": ["<!@(pkg-config --cflags glusterfs-api)"],
      "libraries": ["-lgfapi"]
    }
  ]
}

list(APPEND api_sources
  xet/rows.cpp xet/tokens.cpp xet/staging.cpp xet/upload.cpp xet/shard_upload.cpp xet/register_shard.cpp xet/chunk_source.cpp
  xet/reconstruction.cpp xet/transfer.cpp xet/dedup.cpp xet/index_blob.cpp xet/indexer.cpp)
list(APPEND api_tests xet/xet_test.cpp)
list(APPEND api_deps xet)

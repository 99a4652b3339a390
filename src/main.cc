#include "cli/app.h"
#include "connect/spec.h"

int main(int argc, char** argv) { return millrace::run_app(argc, argv, millrace::connector_specs()); }

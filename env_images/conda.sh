# MLGym's runner says `conda activate mlgym_generic`; this image has one Python, so there is nothing to activate.
conda() {
  case "$1" in
    activate | deactivate) return 0 ;;
    env | info) echo "base                  *  /usr/local" ;;
    *) echo "conda: this image has one Python environment and no conda" >&2; return 1 ;;
  esac
}
